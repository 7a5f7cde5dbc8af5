"""The built-in stages that the kernel runs itself, without Python, and how their parameters are checked."""

from __future__ import annotations

import msgspec

from byteor.runtime.stages.api import Example, StageDef


def no_parameter(_: str) -> bytes:
    return b""


def json_members(text: str) -> bytes:
    """What ``json_append`` puts before the closing brace; into an empty object, without the comma."""
    try:
        members = msgspec.json.decode(f"{{{text}}}", type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise ValueError(f"{text!r} is no list of JSON members ({error})") from error
    if not members:
        raise ValueError("no member to append")
    return b"," + msgspec.json.format(f"{{{text}}}".encode(), indent=-1)[1:-1]


def _native(
    key: str, doc: str, *, writes: bool, parameters: str = "", example: Example | None = None
) -> StageDef:
    return StageDef(
        key=key,
        kind="pure",
        shape="native",
        writes=writes,
        doc=doc,
        module="byteor.indexbus",
        parameters=parameters,
        required=bool(parameters),
        native=json_members if parameters else no_parameter,
        example=example or Example(key),
    )


NATIVE = (
    _native("identity", "Passes every message as it is.", writes=False),
    _native("crc32c", "Computes each message's CRC-32C and passes the message as it is.", writes=False),
    _native("crc32c_append", "Appends each message's CRC-32C in 4 bytes, little-endian.", writes=True),
    _native(
        "crc32c_check",
        "Passes each message whose last 4 bytes are the CRC-32C of the rest; another is an error.",
        writes=False,
    ),
    _native(
        "json_append",
        'Appends constant members to each JSON object, as in json_append:"site":"demo". '
        "A message that is no object is an error.",
        writes=True,
        parameters='"NAME":VALUE,...',
        example=Example('json_append:"site":"demo"', ('{"a":1}',), ('{"a":1,"site":"demo"}',)),
    ),
)
