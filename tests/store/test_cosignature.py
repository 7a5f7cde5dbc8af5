"""Witnesses: they sign what continues the tree that they have seen, over this checkpoint and no other."""

from __future__ import annotations

import base64
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from byteor_store import Anchor, StoreError
from byteor_store.checkpoint import Checkpoint, CheckpointError, read, sign
from byteor_store.cosignature import (
    ConsistencyProof,
    check_growth,
    cosign,
    cosigned_at,
    prove_consistency,
    read_consistency,
)
from byteor_store.merkle import leaf_hash, root_of

NOW = 1_800_000_000
LOG = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
RAW = WITNESS.public_key().public_bytes_raw()
LEAVES = [leaf_hash(str(n).encode()) for n in range(20)]


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint("byteor/acme/telemetry/u", size, root_of(LEAVES[:size]))


def witness_line(note: bytes, at: int = NOW) -> bytes:
    return cosign(note, "alice-1", RAW, WITNESS.sign, at)


def test_the_line_is_that_of_tlog_cosignature() -> None:
    note = sign(checkpoint(5), LOG)
    line = witness_line(note).decode().splitlines()[-1]
    mark, name, encoded = line.split(" ")
    blob = base64.b64decode(encoded)
    assert (mark, name, len(blob)) == ("—", "alice-1", 4 + 8 + 64)
    assert blob[:4] == sha256(b"alice-1\n\x04" + RAW).digest()[:4]
    assert int.from_bytes(blob[4:12], "big") == NOW
    text = note.partition(b"\n\n")[0] + b"\n"
    WITNESS.public_key().verify(blob[12:], b"cosignature/v1\ntime %d\n" % NOW + text)


def test_the_logs_own_signature_still_holds_and_the_witness_signs_once() -> None:
    note = sign(checkpoint(5), LOG)
    twice = witness_line(witness_line(note), NOW + 9)
    assert read(twice, LOG.public_key()) == checkpoint(5)
    assert twice.decode().count("alice-1") == 1
    assert cosigned_at(twice, "alice-1", WITNESS.public_key()) == NOW + 9
    assert cosigned_at(note, "alice-1", WITNESS.public_key()) is None
    assert cosigned_at(twice, "bob-1", WITNESS.public_key()) is None


def test_a_line_that_was_carried_over_or_redated_does_not_hold() -> None:
    line = witness_line(sign(checkpoint(5), LOG)).decode().splitlines()[-1]
    carried = sign(checkpoint(6), LOG) + f"{line}\n".encode()
    with pytest.raises(CheckpointError):
        cosigned_at(carried, "alice-1", WITNESS.public_key())
    blob = bytearray(base64.b64decode(line.split(" ")[2]))
    blob[11] ^= 1
    redated = sign(checkpoint(5), LOG) + f"— alice-1 {base64.b64encode(blob).decode()}\n".encode()
    with pytest.raises(CheckpointError):
        cosigned_at(redated, "alice-1", WITNESS.public_key())


def code(seen: Anchor | None, new: Checkpoint, proof: ConsistencyProof | None) -> str | None:
    try:
        check_growth(seen, new, proof)
    except StoreError as error:
        return error.code
    return None


@pytest.mark.parametrize("old", range(1, 20))
@pytest.mark.parametrize("new", [1, 7, 8, 13, 20])
def test_a_log_that_grew_is_taken_with_its_proof_alone(old: int, new: int) -> None:
    seen = Anchor(old, root_of(LEAVES[:old]))
    if new < old:
        assert code(seen, checkpoint(new), None) == "E_ROLLBACK"
        return
    proof = prove_consistency(LEAVES[:new], old)
    assert code(seen, checkpoint(new), proof) is None
    assert code(seen, checkpoint(new), None) == (None if new == old else "E_PROOF")
    other = Anchor(old, sha256(b"x").digest())
    assert code(other, checkpoint(new), proof) == "E_ROOT"


def test_what_was_never_seen_is_taken_and_what_is_malformed_is_not() -> None:
    assert code(None, checkpoint(5), None) is None
    assert code(Anchor(0, b""), checkpoint(5), None) is None
    seen, proof = Anchor(5, root_of(LEAVES[:5])), prove_consistency(LEAVES, 5)
    for wrong in (
        ConsistencyProof(v=2, old_size=5, new_size=20, new_root=proof.new_root, path=proof.path),
        ConsistencyProof(v=1, old_size=4, new_size=20, new_root=proof.new_root, path=proof.path),
        ConsistencyProof(v=1, old_size=5, new_size=19, new_root=proof.new_root, path=proof.path),
        ConsistencyProof(v=1, old_size=5, new_size=20, new_root=proof.new_root, path=("zz",)),
    ):
        assert code(seen, checkpoint(20), wrong) == "E_PROOF"
    short = ConsistencyProof(v=1, old_size=5, new_size=20, new_root=proof.new_root, path=proof.path[:-1])
    assert code(seen, checkpoint(20), short) == "E_ROOT"
    long = ConsistencyProof(v=1, old_size=5, new_size=20, new_root=proof.new_root, path=proof.path * 200)
    assert code(seen, checkpoint(20), long) == "E_ROOT"
    for text in (b"", b"{}", b"[" * 100_000):
        with pytest.raises(StoreError, match="no consistency proof"):
            read_consistency(text)
    with pytest.raises(StoreError):
        prove_consistency(LEAVES, 21)


def test_only_the_witness_own_line_is_replaced() -> None:
    """The same name with another key, another name, and a line without the mark all stay."""
    other = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
    raw = other.public_key().public_bytes_raw()
    note = cosign(sign(checkpoint(5), LOG), "alice-1", raw, other.sign, NOW)
    note = cosign(note, "bob-1", RAW, WITNESS.sign, NOW)
    both = witness_line(note)
    assert cosigned_at(both, "alice-1", other.public_key()) == NOW
    assert cosigned_at(both, "bob-1", WITNESS.public_key()) == NOW
    assert cosigned_at(both, "alice-1", WITNESS.public_key()) == NOW
    renamed = both.replace("— alice-1".encode(), "— mallory-1".encode())
    assert cosigned_at(renamed, "alice-1", WITNESS.public_key()) is None
    unmarked = both.replace("— bob-1".encode(), b"bob-1")
    assert cosigned_at(unmarked, "bob-1", WITNESS.public_key()) is None


def test_a_proof_is_exact_and_says_what_to_do() -> None:
    proof = prove_consistency(LEAVES, 5)
    with pytest.raises(AttributeError):
        proof.v = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        ConsistencyProof(1, 5, 20, proof.new_root, proof.path)  # type: ignore[misc]
    text = msgspec.json.encode(proof)
    assert read_consistency(text) == proof
    with pytest.raises(StoreError, match="no consistency proof"):
        read_consistency(text.replace(b'"v":1', b'"v":1,"x":1'))
    seen = Anchor(5, root_of(LEAVES[:5]))
    with pytest.raises(StoreError) as caught:
        check_growth(seen, checkpoint(20), None)
    assert "prove --since" in (caught.value.hint or "")
    with pytest.raises(StoreError) as caught:
        check_growth(seen, checkpoint(4), None)
    assert "do not sign" in (caught.value.hint or "")
