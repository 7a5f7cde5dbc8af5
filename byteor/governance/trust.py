"""The pinned key set, the newest seen, and the newest list of revocations; they lie in ``trust_folder``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from byteor.atomic import check_private_folder, write_file
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet, check_self_signed, check_successor, read_key_set
from byteor.governance.revocation import RevocationList, check_newer, open_revocations
from byteor.governance.trust_folder import PINNED, locked, trust_folder
from byteor.state import state_dir

NEWEST: Final = "signing_keys.json"
REVOCATIONS: Final = "revocations.dsse"


def check_pin(data: bytes, fingerprint: str, *, now: int, state: Path | None = None) -> KeySet:
    """The key set in ``data``, if it may be pinned: its fingerprint is the one that was told elsewhere.

    Raises ``E_KEYSET``, ``E_FINGERPRINT``, ``E_KEYSET_SIGNATURE`` (not signed by its own threshold), and
    ``E_KEYSET_ROLLBACK`` when a higher version was seen before.
    """
    keys = read_key_set(data)
    if keys.fingerprint != fingerprint.strip().lower():
        raise refused("E_FINGERPRINT", f"the fingerprint is {keys.fingerprint}, not {fingerprint}")
    check_self_signed(keys, now)
    newest = (state or state_dir()) / "trust" / NEWEST
    if newest.exists():
        seen = read_key_set(newest.read_bytes(), source=str(newest))
        if keys.version < seen.version:
            message = f"key set version {keys.version} is older than version {seen.version}, seen before"
            raise refused("E_KEYSET_ROLLBACK", message)
    return keys


def pin(data: bytes, fingerprint: str, *, now: int, state: Path | None = None) -> KeySet:
    """Trust the key set in ``data``. Raises what ``check_pin`` raises."""
    folder = trust_folder(state)
    with locked(folder):
        keys = check_pin(data, fingerprint, now=now, state=state)
        # The newest goes first: a crash in between leaves a newer memory, never an older one.
        write_file(folder / NEWEST, data)
        write_file(folder / PINNED, data)
    return keys


def trusted_keys(state: Path | None = None) -> KeySet:
    """The newest key set that chains from the pinned one. Raises ``E_NOT_PINNED`` (exit 7)."""
    folder = (state or state_dir()) / "trust"
    if not (folder / PINNED).exists() or not (folder / NEWEST).exists():
        raise refused("E_NOT_PINNED", "no key set is pinned on this host for this user")
    check_private_folder(folder)
    return read_key_set((folder / NEWEST).read_bytes(), source=str(folder / NEWEST))


def learn(data: bytes, *, now: int, state: Path | None = None) -> KeySet:
    """Take a key set that lay beside a spec: it counts only as a successor of the newest, and is remembered.

    Raises ``E_NOT_PINNED`` and what ``check_successor`` raises, ``E_KEYSET_ROLLBACK`` above all.
    """
    check_learn(data, now=now, state=state)  # where nothing is pinned no folder is made either
    folder = trust_folder(state)
    with locked(folder):
        keys = check_learn(data, now=now, state=state)
        if keys.version > trusted_keys(state).version:
            write_file(folder / NEWEST, data)
    return keys


def check_learn(data: bytes, *, now: int, state: Path | None = None) -> KeySet:
    """The key set in ``data``, if it follows the newest; nothing is remembered."""
    keys = read_key_set(data)
    check_successor(keys, trusted_keys(state), now)
    return keys


def learn_revocations(data: bytes, *, now: int, state: Path | None = None) -> RevocationList:
    """Take a revocation list: signed, current, and not older than the one seen. It is remembered."""
    folder = trust_folder(state)
    with locked(folder):
        seen = seen_revocations(now=now, state=state, current=False)
        new = check_revocations(data, now=now, state=state)
        if seen is None or new.version > seen.version:
            write_file(folder / REVOCATIONS, data)
    return new


def check_revocations(data: bytes, *, now: int, state: Path | None = None) -> RevocationList:
    """The list in ``data``, if it may be learnt; nothing is remembered."""
    new = open_revocations(data, trusted_keys(state), now)
    seen = seen_revocations(now=now, state=state, current=False)
    if seen is not None:
        check_newer(new, seen, now)
    return new


def seen_revocations(*, now: int, state: Path | None = None, current: bool = True) -> RevocationList | None:
    """The newest list seen, or ``None`` when there never was one.

    With ``current`` an expired one raises ``E_REVOCATIONS``: nothing would say what was revoked since.
    Without, it is only something to compare with, from a folder that only we can write.
    """
    from byteor.governance.dsse import REVOCATIONS as KIND
    from byteor.governance.dsse import open_envelope

    path = (state or state_dir()) / "trust" / REVOCATIONS
    if not path.exists():
        return None
    data = path.read_bytes()
    if current:
        return open_revocations(data, trusted_keys(state), now)
    try:
        return open_envelope(data, KIND, RevocationList)[0]
    except ValueError as error:
        raise refused("E_REVOCATIONS", f"{path} is damaged: {error}") from None
