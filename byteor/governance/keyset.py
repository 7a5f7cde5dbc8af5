"""The key set: who may sign for what, until when. Reading it, its signatures, its chain.

``signatures`` sign the RFC 8785 text of the rest. Formats: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from byteor.governance.canonical import (
    MAX_SAFE_INTEGER,
    canonical_json,
    decode_base64url,
    decode_json,
    sha256_of,
    unix_of,
)
from byteor.governance.edwards import why_unsound
from byteor.governance.errors import refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATUSES: Final = ("active", "retired", "revoked")
# A log's or a host's key serves an unattended process: what it signs is never an approval.
MACHINE_GROUPS: Final = ("log", "host", "agent")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public key. ``public_key``: base64url of 32 bytes; ``not_before`` and ``not_after``: RFC 3339."""

    kid: str
    alg: str
    public_key: str
    principal: str
    groups: tuple[str, ...]
    not_before: str
    not_after: str
    status: str

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the key."""
        return _raw(self.public_key)

    def usable_at(self, now: int) -> bool:
        """Whether the key is active and ``now`` (s) lies in [not_before, not_after)."""
        return self.status == "active" and _unix(self.not_before) <= now < _unix(self.not_after)

    @property
    def is_person(self) -> bool:
        """Whether it may approve: no machine's key does."""
        return not set(self.groups) & set(MACHINE_GROUPS)


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sig``: base64url of 64 bytes."""

    kid: str
    sig: str


class KeySet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signing_keys.json``. ``threshold``: how many different keys must sign a new version."""

    version: int
    expires_at: str
    threshold: int
    keys: tuple[Key, ...]
    signatures: tuple[Signature, ...] = ()

    def key(self, kid: str) -> Key | None:
        """The key of this id; ids are unique in a set that was read."""
        return next((key for key in self.keys if key.kid == kid), None)

    def usable_key(self, kid: str, now: int) -> Key | None:
        """The key of this id if the set has not expired and the key is active at ``now`` (s)."""
        key = self.key(kid)
        if key is None or now >= _unix(self.expires_at) or not key.usable_at(now):
            return None
        return key

    def signed_text(self) -> bytes:
        """What ``signatures`` sign: the RFC 8785 text of everything else."""
        rest = msgspec.to_builtins(self)
        del rest["signatures"]
        return canonical_json(rest)

    @property
    def fingerprint(self) -> str:
        """``sha256:...`` of ``signed_text``: the same whoever has signed so far."""
        return sha256_of(self.signed_text())


@lru_cache(maxsize=4096)
def _raw(text: str) -> bytes:
    return decode_base64url(text.encode("ascii"))


_unix = lru_cache(maxsize=4096)(unix_of)


@lru_cache(maxsize=4096)
def _verifier(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def signature_holds(raw_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` is by ``raw_key``, a sound key."""
    from cryptography.exceptions import InvalidSignature

    try:
        _verifier(raw_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def read_key_set(text: bytes, *, source: str = "signing_keys.json") -> KeySet:
    """The key set in ``text``. Its own signatures are not judged here.

    Raises ``E_KEYSET``: no JSON, a key twice, a field missing, extra or mistyped, a key id twice, an
    unsound public key (small order, not canonical, no point), a date that is none, a threshold out of reach.
    """
    try:
        keys = decode_json(text, KeySet)
    except ValueError as error:
        raise refused("E_KEYSET", f"no key set: {error}", file=source) from None
    for path, message in _problems(keys):
        raise refused("E_KEYSET", message, file=source, key=path)
    return keys


def check_key(key: Key) -> None:
    """Raise ``E_KEYSET`` unless ``key`` may stand in a key set."""
    for path, message in _key_problems(key):
        raise refused("E_KEYSET", message, key=path)


def _problems(keys: KeySet) -> Iterable[tuple[str, str]]:
    if not 1 <= keys.version <= MAX_SAFE_INTEGER:
        yield "version", "a version is a number from 1 to 2^53 - 1"
    if not _is_time(keys.expires_at):
        yield "expires_at", f"`{keys.expires_at}` is not RFC 3339 UTC with seconds and Z"
    seen: set[str] = set()
    for index, key in enumerate(keys.keys):
        path = f"keys.{index}"
        yield from ((f"{path}.{name}", message) for name, message in _key_problems(key))
        if key.kid in seen:
            yield f"{path}.kid", f"the key id `{key.kid}` stands twice"
        seen.add(key.kid)
    if not 1 <= keys.threshold <= len({key.public_key for key in keys.keys}):
        yield "threshold", "a threshold is at least 1 and at most the number of different keys"


def _key_problems(key: Key) -> Iterable[tuple[str, str]]:
    for name in ("kid", "principal"):
        text = getattr(key, name)
        if not text or not text.isprintable():
            yield name, f"{name} is empty or not printable"
    if key.alg != "Ed25519":
        yield "alg", f"the algorithm is `{key.alg}`, not Ed25519"
    if key.status not in STATUSES:
        yield "status", f"the status is `{key.status}`, not one of {', '.join(STATUSES)}"
    if len(set(key.groups)) != len(key.groups) or not all(g and g.isprintable() for g in key.groups):
        yield "groups", "groups are printable names, each once"
    for name in ("not_before", "not_after"):
        if not _is_time(getattr(key, name)):
            yield name, f"`{getattr(key, name)}` is not RFC 3339 UTC with seconds and Z"
            return
    if _unix(key.not_before) >= _unix(key.not_after):
        yield "not_after", "the key's window is empty"
    try:
        why = why_unsound(key.raw)
    except ValueError as error:
        why = f"it is {error}"
    if why:
        yield "public_key", f"the public key of `{key.kid}` is refused: {why}"


def _is_time(text: str) -> bool:
    try:
        _unix(text)
    except ValueError:
        return False
    return True


def signers(keys: KeySet, by: KeySet, now: int) -> frozenset[bytes]:
    """The different raw keys of ``by``, usable at ``now``, whose signatures ``keys`` carries.

    Raw keys, not ids: one key under two ids signs once. A signature that does not hold counts for nothing.
    Only the key's own state counts: a set that has expired must still be able to name its successor.
    """
    text = keys.signed_text()
    found = set()
    for signature in keys.signatures:
        key = by.key(signature.kid)
        if key is None or not key.usable_at(now) or not key.is_person:
            continue
        try:
            raw_signature = decode_base64url(signature.sig.encode())
        except ValueError:
            continue
        if signature_holds(key.raw, raw_signature, text):
            found.add(key.raw)
    return frozenset(found)


def check_unaltered(keys: KeySet) -> None:
    """Raise ``E_KEYSET_SIGNATURE`` when a signature of one of its own keys does not hold.

    Says nothing about who may sign or when: a set that is given, not trusted, may carry no signature at all.
    """
    text = keys.signed_text()
    for signature in keys.signatures:
        key = keys.key(signature.kid)
        if key is None:
            continue
        try:
            holds = signature_holds(key.raw, decode_base64url(signature.sig.encode()), text)
        except ValueError:
            holds = False
        if not holds:
            message = f"the key set was changed after `{signature.kid}` signed it"
            raise refused("E_KEYSET_SIGNATURE", message)


def check_self_signed(keys: KeySet, now: int) -> None:
    """Raise ``E_KEYSET_SIGNATURE`` unless a threshold of the set's own keys signed it."""
    have = len(signers(keys, keys, now))
    if have < keys.threshold:
        message = (
            f"key set version {keys.version} carries {have} of {keys.threshold} signatures of its own keys"
        )
        raise refused("E_KEYSET_SIGNATURE", message)


def check_successor(new: KeySet, old: KeySet, now: int) -> None:
    """Raise unless ``new`` follows ``old``: a higher version, signed by the threshold of either set.

    ``E_KEYSET_ROLLBACK`` for a lower version, ``E_KEYSET_CHAIN`` for another set of the same version or too
    few of the old keys, ``E_KEYSET_SIGNATURE`` for too few of the new ones. The same set again is fine.
    """
    if new.version < old.version:
        message = f"key set version {new.version} is older than version {old.version}, which was seen before"
        raise refused("E_KEYSET_ROLLBACK", message)
    if new.version == old.version:
        if new.fingerprint != old.fingerprint:
            raise refused("E_KEYSET_CHAIN", f"there are two different key sets of version {new.version}")
        return
    have = len(signers(new, old, now))
    if have < old.threshold:
        message = f"key set version {new.version} carries {have} of {old.threshold} signatures"
        raise refused("E_KEYSET_CHAIN", f"{message} of version {old.version}")
    check_self_signed(new, now)


def follow(pinned: KeySet, others: Iterable[KeySet], now: int) -> KeySet:
    """The newest set that chains from ``pinned`` through ``others``, taken by version.

    Raises what ``check_successor`` raises at the first link that does not hold.
    """
    newest = pinned
    for candidate in sorted(others, key=lambda keys: keys.version):
        check_successor(candidate, newest, now)
        newest = candidate
    return newest
