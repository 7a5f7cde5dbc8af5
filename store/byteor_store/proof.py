"""A proof that one entry is in the log: a JSON document that can be checked without the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from byteor.errors import Exit
from byteor_store.checkpoint import CheckpointError, read
from byteor_store.errors import StoreError
from byteor_store.merkle import inclusion_proof, leaf_hash, root_from_inclusion, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PROOF_VERSION = 1
MAX_PATH = 64


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``leaf`` is the exact text; ``root`` and ``path`` (from the leaf up) are hex; ``note`` a checkpoint."""

    v: int
    leaf: str
    seq: int
    size: int
    root: str
    path: tuple[str, ...]
    note: str | None


def prove(leaf: bytes, leaves: Sequence[bytes], seq: int, note: bytes | None) -> Proof:
    """The proof of entry ``seq`` in the tree over the leaf hashes ``leaves``; ``note`` signs that tree."""
    return Proof(
        v=PROOF_VERSION,
        leaf=leaf.decode(),
        seq=seq,
        size=len(leaves),
        root=root_of(leaves).hex(),
        path=tuple(item.hex() for item in inclusion_proof(leaves, seq)),
        note=None if note is None else note.decode(),
    )


def verify_proof(document: bytes, key: Ed25519PublicKey | None = None) -> Proof:
    """Check a proof against itself and its checkpoint; with ``key``, against that signature, too.

    Raises ``StoreError``: ``E_PROOF`` (exit 9: not a proof, or it does not lead to its root) or
    ``E_CHECKPOINT_SIG`` (exit 9: no checkpoint, another tree's, or not signed by ``key``).
    """
    try:
        proof = msgspec.json.decode(document, type=Proof)
        leaf = proof.leaf.encode()
        path = [bytes.fromhex(item) for item in proof.path[: MAX_PATH + 1]]
        root = root_from_inclusion(leaf_hash(leaf), proof.seq, proof.size, path)
    except (ValueError, RecursionError) as error:
        raise _refused("E_PROOF", f"this is no proof: {error}") from error
    if proof.v != PROOF_VERSION:
        raise _refused("E_PROOF", "this is no proof of a version that we know")
    if root.hex() != proof.root:
        raise _refused("E_PROOF", "the entry does not lead to the root that the proof names")
    if b'"seq":%d,' % proof.seq not in leaf:
        raise _refused("E_PROOF", f"the entry in the proof is not entry {proof.seq}")
    if proof.note is None:
        if key is not None:
            raise _refused("E_CHECKPOINT_SIG", "the proof has no checkpoint, so nobody has signed its root")
        return proof
    try:
        signed = read(proof.note.encode(), key)
    except CheckpointError as error:
        raise _refused("E_CHECKPOINT_SIG", str(error)) from error
    if (signed.size, signed.root) != (proof.size, root):
        raise _refused("E_CHECKPOINT_SIG", "the checkpoint is of another tree than the proof")
    return proof


def _refused(code: str, why: str) -> StoreError:
    return StoreError(
        code, why, hint="ask for the proof again, and do not rely on this one", exit=Exit.INTEGRITY
    )
