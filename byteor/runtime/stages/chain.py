"""A chain of digests over the messages of one worker: ``hash_chain`` makes it, ``hash_chain_check`` tests it.

chain(n) = SHA-256(chain(n-1) || message n), chain(0) = 32 zero bytes: a message that was changed, left out,
doubled or moved breaks every digest after it. Each run, and each shard of one, begins a chain of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message, bad_input, told
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.parameters import one_of

BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]
START = bytes(32)
DIGEST_BYTES = 32

_LINK = re.compile(rb',?"chain":"([0-9a-f]{64})"\}\Z')
_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@batch_stage(
    "hash_chain",
    parameters="json|append",
    example=Example(
        "hash_chain",
        ('{"a":1}',),
        ('{"a":1,"chain":"b06a229070741292512e8760f470dd7a4c46ccfdf253df781d88dabe58c1ccb1"}',),
    ),
)
def hash_chain(parameters: str) -> BatchOf:
    """Gives each message the SHA-256 of the digest before it and itself, so that none can be changed unseen.

    json (the default): each JSON object gets the member "chain" (hex) at its end. append: any message gets
    32 bytes at its end.
    """
    form = one_of(parameters or "json", "the form", "json", "append")
    link = _linked_json if form == "json" else _linked_bytes
    last = START

    def chain(messages: Sequence[Message]) -> list[Message | None]:
        nonlocal last
        results: list[Message | None] = []
        for message in messages:
            linked, last = link(bytes(message), last, len(results))
            results.append(linked)
        return results

    return chain


@batch_stage("hash_chain_check", writes=False, parameters="json|append", example=Example("hash_chain_check"))
def hash_chain_check(parameters: str) -> BatchOf:
    """Passes the messages of a whole hash_chain as they are; the first that does not follow is an error."""
    form = one_of(parameters or "json", "the form", "json", "append")
    part = _parted_json if form == "json" else _parted_bytes
    last = START

    def check(messages: Sequence[Message]) -> list[Message | None]:
        nonlocal last
        for index, message in enumerate(messages):
            original, found = part(bytes(message))
            expected = hashlib.sha256(last + original).digest()
            if found != expected:
                why = f"finds a broken chain: {told(message)} does not follow the one before it"
                hint = "the messages before it are whole; somebody changed, lost or moved one here"
                raise bad_input("hash_chain_check", why, index, hint)
            last = expected
        return list(messages)

    return check


def _linked_bytes(message: bytes, last: bytes, _: int) -> tuple[bytes, bytes]:
    digest = hashlib.sha256(last + message).digest()
    return message + digest, digest


def _linked_json(message: bytes, last: bytes, index: int) -> tuple[bytes, bytes]:
    text = message.rstrip()
    try:
        members = _DECODE(text)
    except NOT_JSON as error:
        hint = "hash_chain:append takes any message"
        raise bad_input(
            "hash_chain", f"needs a JSON object: {told(message)}: {error}", index, hint
        ) from error
    if "chain" in members:
        why = f"finds a member chain in {told(message)}"
        raise bad_input("hash_chain", why, index, "rename it before: json_rename:chain=before")
    text = text if members else b"{}"
    digest = hashlib.sha256(last + text).digest()
    comma = b"," if members else b""
    return b'%b%b"chain":"%b"}' % (text[:-1], comma, digest.hex().encode()), digest


def _parted_bytes(message: bytes) -> tuple[bytes, bytes]:
    return message[:-DIGEST_BYTES], message[-DIGEST_BYTES:]


def _parted_json(message: bytes) -> tuple[bytes, bytes]:
    found = _LINK.search(message)
    if found is None:
        return message, b""
    return message[: found.start()] + b"}", bytes.fromhex(found[1].decode())
