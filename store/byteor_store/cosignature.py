"""Cosignatures: a witness's line under a checkpoint (C2SP tlog-cosignature, Ed25519), and consistency proofs.

A witness signs ``cosignature/v1``, the time, and the checkpoint's own text; its line carries 4 bytes of key
hash, the time as 8 bytes big-endian, and the 64 bytes of signature, in base64. Functions of values.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import Exit
from byteor_store.checkpoint import KEY_HASH_BYTES, MARK, Checkpoint, CheckpointError, decode_base64, read
from byteor_store.errors import StoreError
from byteor_store.merkle import check_consistency, consistency_proof, root_of
from byteor_store.parts import Anchor

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COSIGNATURE = b"\x04"  # the signature type of timestamped Ed25519 cosignatures
TIME_BYTES = 8
PROOF_VERSION = 1


class ConsistencyProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the first ``old_size`` of ``new_size`` entries are the same as before; hashes are hex."""

    v: int
    old_size: int
    new_size: int
    new_root: str
    path: tuple[str, ...]


def prove_consistency(leaves: Sequence[bytes], old_size: int) -> ConsistencyProof:
    """The proof over all leaf hashes of a log. Raises ``E_AUDIT_ENTRY`` when there are fewer."""
    try:
        path = consistency_proof(leaves, old_size)
    except ValueError as error:
        raise StoreError("E_AUDIT_ENTRY", str(error), exit=Exit.NOT_FOUND) from None
    return ConsistencyProof(
        v=PROOF_VERSION,
        old_size=old_size,
        new_size=len(leaves),
        new_root=root_of(leaves).hex(),
        path=tuple(item.hex() for item in path),
    )


def check_growth(seen: Anchor | None, new: Checkpoint, proof: ConsistencyProof | None) -> None:
    """Raise unless the tree of ``new`` continues the one that was ``seen`` last.

    ``E_ROLLBACK`` for a smaller tree, ``E_ROOT`` for another one of the same size or one that the proof does
    not lead to, ``E_PROOF`` where a proof is wanting.
    """
    if seen is None or seen.size == 0:
        return
    if new.size < seen.size:
        raise _refused("E_ROLLBACK", f"the log counts {new.size} entries; {seen.size} were seen before")
    if new.size == seen.size:
        if new.root != seen.root:
            raise _refused("E_ROOT", f"the first {seen.size} entries are not those that were seen before")
        return
    if proof is None or (proof.v, proof.old_size, proof.new_size) != (1, seen.size, new.size):
        raise _refused("E_PROOF", f"a proof from {seen.size} to {new.size} entries is wanting")
    try:
        path = [bytes.fromhex(item) for item in proof.path]
    except ValueError:
        raise _refused("E_PROOF", "the proof's path is not hex") from None
    if not check_consistency(seen.size, seen.root, new.size, new.root, path):
        raise _refused("E_ROOT", f"the log of {new.size} entries does not continue the one of {seen.size}")


def read_consistency(document: bytes) -> ConsistencyProof:
    """The proof in ``document``. Raises ``E_PROOF``."""
    try:
        return msgspec.json.decode(document, type=ConsistencyProof)
    except (ValueError, RecursionError) as error:
        raise _refused("E_PROOF", f"this is no consistency proof: {error}") from None


def cosign(note: bytes, name: str, raw_public_key: bytes, sign: Callable[[bytes], bytes], now: int) -> bytes:
    """``note`` with the witness's line, in place of an older one of the same key. ``now``: Unix s."""
    read(note)
    text = _text(note)
    moment = now.to_bytes(TIME_BYTES, "big")
    hashed = cosigner_hash(name, raw_public_key)
    line = MARK + name + " " + base64.b64encode(hashed + moment + sign(_signed(text, now))).decode()
    kept = [other for other in _lines(note) if not _is_of(other, name, hashed)]
    return text + b"\n" + "".join(f"{one}\n" for one in [*kept, line]).encode()


def cosigned_at(note: bytes, name: str, key: Ed25519PublicKey) -> int | None:
    """When the witness ``name`` signed ``note`` (Unix s); None when it did not.

    Raises ``CheckpointError`` for a line of this key that does not hold.
    """
    from cryptography.exceptions import InvalidSignature

    hashed = cosigner_hash(name, key.public_bytes_raw())
    for line in _lines(note):
        if not _is_of(line, name, hashed):
            continue
        blob = decode_base64(line.rpartition(" ")[2])
        moment = int.from_bytes(blob[KEY_HASH_BYTES : KEY_HASH_BYTES + TIME_BYTES], "big")
        try:
            key.verify(blob[KEY_HASH_BYTES + TIME_BYTES :], _signed(_text(note), moment))
        except InvalidSignature as error:
            raise CheckpointError(f"the cosignature of {name} is not over this checkpoint") from error
        return moment
    return None


def cosigner_hash(name: str, raw_public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + COSIGNATURE + raw_public_key).digest()[:KEY_HASH_BYTES]


def _signed(text: bytes, moment: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % moment + text


def _text(note: bytes) -> bytes:
    return note.partition(b"\n\n")[0] + b"\n"


def _lines(note: bytes) -> list[str]:
    return note.partition(b"\n\n")[2].decode().splitlines()


def _is_of(line: str, name: str, hashed: bytes) -> bool:
    signer, _, encoded = line.removeprefix(MARK).rpartition(" ")
    return line.startswith(MARK) and signer == name and decode_base64(encoded)[:KEY_HASH_BYTES] == hashed


def _refused(code: str, why: str) -> StoreError:
    hint = (
        "do not sign; keep both checkpoints as evidence"
        if code != "E_PROOF"
        else "byteor audit prove --since"
    )
    return StoreError(code, why, hint=hint, exit=Exit.INTEGRITY)
