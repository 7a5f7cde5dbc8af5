"""The audit leaf: one event as RFC 8785 text, and the salted digest of its body. See docs/formats.md."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from byteor.errors import Exit
from byteor_store.errors import StoreError

LEAF_VERSION = 1
SALT_BYTES = 32


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened and must be told. Absent fields are null in the leaf.

    ``action`` is a word such as ``run_started``; ``actor`` who did it; ``kid`` the key that signed;
    ``decision`` and ``rule`` what policy said. ``body`` holds the details: a JSON object whose digest is
    in the leaf and which can be erased later. Whole numbers beyond 2^53-1 go in as decimal strings.
    """

    action: str
    actor: str
    kid: str | None = None
    env: str | None = None
    spec_hash: str | None = None
    decision: str | None = None
    rule: str | None = None
    approval_id: str | None = None
    run_id: str | None = None
    body: Mapping[str, Any] | None = None


class Leaf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The members of a leaf, in the order of their text (RFC 8785 sorts them).

    ``ts_unix_ns`` is a decimal string: it passes 2^53-1.
    """

    action: str
    actor: str
    approval_id: str | None
    body_digest: str | None
    boot_id: str
    decision: str | None
    env: str | None
    kid: str | None
    rule: str | None
    run_id: str | None
    seq: int
    spec_hash: str | None
    ts_unix_ns: str
    v: int


def canonical(document: Mapping[str, Any]) -> bytes:
    """RFC 8785 text. Raises ``StoreError`` ``E_AUDIT_BODY`` for what has none."""
    import rfc8785

    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise _no_text(error) from error


def _no_text(error: Exception) -> StoreError:
    return StoreError(
        "E_AUDIT_BODY",
        f"an audit record has no canonical JSON text: {error}",
        hint="write whole numbers beyond 2^53-1 as decimal strings",
        exit=Exit.RUNTIME,
    )


def leaf_text(event: Event, *, seq: int, ts_unix_ns: int, boot_id: str, body_digest: str | None) -> bytes:
    """The leaf's bytes; their hash is ``merkle.leaf_hash`` of them.

    Strings, a small whole number and sorted members: there plain compact JSON is RFC 8785 text, which a
    test compares, and which costs a fiftieth. Raises ``StoreError`` ``E_AUDIT_BODY``.
    """
    leaf = Leaf(
        action=event.action,
        actor=event.actor,
        approval_id=event.approval_id,
        body_digest=body_digest,
        boot_id=boot_id,
        decision=event.decision,
        env=event.env,
        kid=event.kid,
        rule=event.rule,
        run_id=event.run_id,
        seq=seq,
        spec_hash=event.spec_hash,
        ts_unix_ns=str(ts_unix_ns),
        v=LEAF_VERSION,
    )
    try:
        return msgspec.json.encode(leaf)
    except UnicodeEncodeError as error:
        raise _no_text(error) from error


def body_digest(salt: bytes, body: bytes) -> str:
    """Hex SHA-256 of salt and body. The salt keeps a short body from being guessed once it is erased."""
    return sha256(salt + body).hexdigest()


def current_actor() -> str:
    """This process's user, as audit rows name it: ``user:NAME``, or ``uid:N`` where it has no name."""
    uid = os.geteuid()
    try:
        return f"user:{_name_here(uid) or pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid:{uid}"


def _name_here(uid: int) -> str | None:
    """The name of ``uid`` in this host's own file. The C library would ask a service first, by a socket; a
    replay opens none.
    """
    try:
        lines = Path("/etc/passwd").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    entries = (line.split(":") for line in lines if not line.startswith(("#", "+", "-")))
    return next((one[0] for one in entries if len(one) >= 7 and one[2] == str(uid) and one[0]), None)


def current_boot_id() -> str:
    """The kernel's id of this boot: tells which monotonic clock a record's neighbours had."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
