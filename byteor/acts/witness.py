"""Witnessing a log: remember the last tree that was seen, demand that the next continues it, then cosign.

$BYTEOR_STATE_DIR/trust/witnessed.json      what this user's tools have seen of which log, by its uuid
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.errors import Exit
from byteor.governance.canonical import decode_base64url
from byteor.governance.keyset import Key
from byteor.governance.private_key import Signer as PersonalSigner
from byteor.governance.trust_folder import trust_folder
from byteor.runtime.folders import list_runs
from byteor.state import state_dir
from byteor_store import Anchor, AuditLog, Signer, StoreError, audit_path, verify
from byteor_store.backup import restore
from byteor_store.checkpoint import CheckpointError, read
from byteor_store.cosignature import ConsistencyProof, check_growth, cosign, prove_consistency
from byteor_store.log_key import load_key, make_key, public_text, read_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILE_NAME = "witnessed.json"


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest tree of a log that was seen, the log's public key as it was first given, and where the log
    lies when it is on this host."""

    size: int
    root: str
    key: str
    path: str = ""


class Cosigned(msgspec.Struct, frozen=True):
    """``before``: how many entries were seen the last time (None: never)."""

    note: bytes
    origin: str
    size: int
    root: str
    before: int | None


def witnessed() -> dict[str, Seen]:
    """What was seen, by log uuid. Raises ``E_AUDIT_UNREADABLE`` when the memory is damaged."""
    path = state_dir() / "trust" / FILE_NAME
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
    except ValueError as error:
        raise StoreError("E_AUDIT_UNREADABLE", f"{path} is damaged: {error}", exit=Exit.INVALID) from None


def cosign_note(
    note: bytes,
    proof: ConsistencyProof | None,
    log_key: str | None,
    key: Key,
    signer: PersonalSigner,
    *,
    now: int,
    path: Path | None = None,
    believed: bool = False,
    keep: bool = True,
) -> Cosigned:
    """Check that ``note`` continues what was seen of its log, remember it, and add the witness's line.

    ``log_key``: the log's public key; needed the first time, and the same ever after. ``believed``: that the
    log was restored, and so need not continue it. ``keep``: remember it. Raises
    ``E_CHECKPOINT_SIG``, ``E_AUDIT_KEY``, and what ``check_growth`` raises.
    """
    memory = witnessed()
    try:
        uuid = read(note).origin.rpartition("/")[2]
        seen = memory.get(uuid)
        known = seen.key if seen is not None else log_key
        if known is None:
            hint = "--key PUBLIC_KEY, as its owner told you over another channel"
            raise StoreError(
                "E_AUDIT_KEY", "the key of this log is not known here", hint=hint, exit=Exit.USAGE
            )
        if log_key is not None and log_key != known:
            raise StoreError("E_AUDIT_KEY", "the log had another key before", exit=Exit.INTEGRITY)
        said = read(note, read_public(known))
    except CheckpointError as error:
        raise StoreError("E_CHECKPOINT_SIG", str(error), exit=Exit.INTEGRITY) from None
    anchor = None if seen is None else Anchor(seen.size, bytes.fromhex(seen.root))
    if not believed:
        check_growth(anchor, said, proof)
    place = str(path.resolve()) if path is not None else seen.path if seen is not None else ""
    memory[uuid] = Seen(said.size, said.root.hex(), known, place)
    if keep:
        write_file(trust_folder() / FILE_NAME, msgspec.json.encode(memory))
    line = cosign(note, key.kid, decode_base64url(key.public_key.encode()), signer.sign, now)
    return Cosigned(line, said.origin, said.size, said.root.hex(), None if seen is None else seen.size)


def cosign_log(
    path: Path, key: Key, signer: PersonalSigner, *, now: int, restored: bool = False, keep: bool = True
) -> Cosigned:
    """Witness a log that we can read: the proof is made here, and the note with the line is kept in the log.

    ``restored``: we believe its entry that says it was put back from a copy, and begin anew from what it is.
    That entry must be there, and excuse all that is gone. Raises ``E_CHECKPOINT_SIG`` when the log has no
    checkpoint or no key.
    """
    own = load_key(path)
    with AuditLog.open(path) if keep else AuditLog.observe(path) as log:
        note = log.newest_checkpoint()
        if note is None or own is None:
            hint = "byteor audit checkpoint makes one"
            raise StoreError("E_CHECKPOINT_SIG", f"{path} has no signed checkpoint", hint=hint)
        said = read(note)
        seen = witnessed().get(said.origin.rpartition("/")[2])
        proof = None
        if seen is not None and 0 < seen.size <= said.size:
            proof = prove_consistency(log.leaf_hashes(said.size), seen.size)
        believed = restored and _says_restored(path, seen, own.public_key())
        public = public_text(own.public_key())
        found = cosign_note(
            note, proof, public, key, signer, now=now, path=path, believed=believed, keep=keep
        )
        if keep:
            log.keep_note(found.size, found.note)
    return found


def _says_restored(path: Path, seen: Seen | None, key: Ed25519PublicKey) -> bool:
    if seen is None:
        return False
    problem = verify(path, [Anchor(seen.size, bytes.fromhex(seen.root))], key).problem
    return problem is not None and problem.code == "E_RESTORED"


def remembered(path: Path) -> list[Anchor]:
    """What was seen of the log at ``path``, as witnesses of its verification: also of another one that lay
    there, for a log that was started afresh is not the one that was seen."""
    memory = witnessed()
    uuid = ""
    # What cannot be read is told by the verification.
    with contextlib.suppress(StoreError), AuditLog.observe(path) as log:
        uuid = log.uuid()
    place = str(path.resolve())
    return [
        Anchor(seen.size, bytes.fromhex(seen.root))
        for known, seen in memory.items()
        if known == uuid or seen.path == place
    ]


def restore_log(copy: Path, *, now: int) -> tuple[Path, int]:
    """Put ``copy`` in the place of this host's log; (where the log of before is, the restore entry's seq).

    Raises ``E_AUDIT_RESTORE`` while something runs, or when the copy is not intact.
    """
    check_idle()
    log = audit_path()
    private_folder(log.parent)
    seq = restore(log, copy, Signer(make_key(log)), suffix=f"replaced-{now}")
    return log.with_name(f"{log.name}.replaced-{now}"), seq


def check_idle() -> None:
    """Raise ``E_AUDIT_RESTORE`` while something runs."""
    live = [info.identity.name for info in list_runs() if info.alive]
    if live:
        hint = "byteor stop, or byteor drain"
        raise StoreError(
            "E_AUDIT_RESTORE", f"{', '.join(live)} writes to the log", hint=hint, exit=Exit.CONFLICT
        )
