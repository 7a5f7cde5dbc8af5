"""Checkpoints, the log's key, and proofs: right ones pass, and nothing else does."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import apsw
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from byteor.errors import Exit
from byteor_store import Anchor, AuditLog, Event, Signer, StoreError, log_key, verify, verify_proof
from byteor_store.checkpoint import Checkpoint, CheckpointError, checkpoint_text, origin, read, sign
from byteor_store.database import checksum_vfs
from byteor_store.leaf import leaf_text
from byteor_store.log_key import _plain_key, key_path, load_key, make_key, public_text, read_public
from byteor_store.merkle import leaf_hash
from byteor_store.proof import prove

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CHECKPOINT = Checkpoint("byteor/acme/telemetry/u", 3, sha256(b"root").digest())
NOTE = sign(CHECKPOINT, KEY)


@pytest.fixture
def filled(log: AuditLog) -> AuditLog:
    log.append_many([Event(action="act", actor="user:op", body={"n": number}) for number in range(11)])
    return log


def test_the_text_is_that_of_the_tlog_checkpoint_form() -> None:
    root = base64.b64encode(CHECKPOINT.root).decode()
    assert checkpoint_text(CHECKPOINT) == f"byteor/acme/telemetry/u\n3\n{root}\n".encode()
    text, _, signature = NOTE.decode().partition("\n\n")
    assert f"{text}\n".encode() == checkpoint_text(CHECKPOINT)
    mark, name, encoded = signature.rstrip("\n").split(" ")
    public = KEY.public_key().public_bytes_raw()
    assert (mark, name) == ("—", CHECKPOINT.origin)
    raw = base64.b64decode(encoded)
    assert raw[:4] == sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    KEY.public_key().verify(raw[4:], checkpoint_text(CHECKPOINT))


def test_what_was_signed_is_read_back() -> None:
    assert read(NOTE, KEY.public_key()) == CHECKPOINT
    assert read(NOTE) == CHECKPOINT
    witnessed = NOTE + "— witness.example AAAAAAAA\n".encode()
    assert read(witnessed, KEY.public_key()) == CHECKPOINT


def test_another_keys_signature_does_not_count() -> None:
    with pytest.raises(CheckpointError, match="no signature"):
        read(NOTE, OTHER.public_key())
    with pytest.raises(CheckpointError, match="no signature"):
        read(checkpoint_text(CHECKPOINT) + b"\n", KEY.public_key())


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 7))
def test_no_changed_bit_passes_as_signed(place: int, bit: int) -> None:
    changed = bytearray(NOTE)
    changed[place] ^= 1 << bit
    try:
        said = read(bytes(changed), KEY.public_key())
    except CheckpointError:
        return
    # Only the last newline is outside what is signed.
    assert (said, place) == (CHECKPOINT, len(NOTE) - 1)


MALFORMED = [
    b"",
    b"a\n",
    b"a\n1\nAA==\n\n",
    b"a\n01\n" + base64.b64encode(bytes(32)) + b"\n\n",
    b"a\n-1\n" + base64.b64encode(bytes(32)) + b"\n\n",
    "a\n²\n".encode() + base64.b64encode(bytes(32)) + b"\n\n",
    b"\n1\n" + base64.b64encode(bytes(32)) + b"\n\n",
    b"a\n1\n" + base64.b64encode(bytes(33)) + b"\n\n",
    b"a\n1\n" + base64.b64encode(bytes(32)).replace(b"A=", b"B=") + b"\n\n",
    b"\xff\n1\n\n",
    checkpoint_text(CHECKPOINT),
    b"a\n1\n\n",
]


@pytest.mark.parametrize("note", MALFORMED)
def test_what_is_no_checkpoint_is_refused(note: bytes) -> None:
    with pytest.raises(CheckpointError):
        read(note)


def test_an_origin_names_the_log_to_the_world() -> None:
    assert origin("u", "acme", "telemetry") == "byteor/acme/telemetry/u"
    assert origin("u") == "byteor/local/local/u"


def test_a_checkpoint_is_kept_beside_the_tree_and_verified_with_it(filled: AuditLog, path: Path) -> None:
    note = filled.write_checkpoint(Signer(KEY, "acme"))
    assert filled.write_checkpoint(Signer(KEY)) == note, "one tree, one note"
    filled.append(Event(action="act", actor="user:op"))
    found = verify(path, key=KEY.public_key())
    assert (found.problem, found.size, found.checkpoint_size) == (None, 12, 11)
    said = read(note)
    assert said.origin == f"byteor/acme/local/{filled.uuid()}"
    assert verify(path, [Anchor(said.size, said.root)]).witnessed


def checkpoints(log: AuditLog) -> list[int]:
    return [size for (size,) in log._connection.execute("SELECT size FROM checkpoints ORDER BY size")]


def test_a_signer_signs_the_first_entry_and_then_every_thousandth(path: Path) -> None:
    event = Event(action="act", actor="user:op")
    with AuditLog.open(path, Signer(KEY)) as log:
        log.append(event)
        log.append_many([event] * 999)
        assert checkpoints(log) == [1]
        log.append(event)
        assert checkpoints(log) == [1, 1001]
        log.append(event, seal=True)
        assert checkpoints(log) == [1, 1001, 1002]
    assert verify(path, key=KEY.public_key()).ok


@pytest.mark.parametrize("shift_s", [61, -1])
def test_an_old_checkpoint_and_a_clock_set_back_make_a_new_one_due(path: Path, shift_s: int) -> None:
    event = Event(action="act", actor="user:op")
    with AuditLog.open(path, Signer(KEY)) as log:
        log.append(event)
        log._connection.execute("UPDATE checkpoints SET ts_unix_ns = ts_unix_ns - ?", (shift_s * 10**9,))
        log.append(event)
        assert checkpoints(log) == [1, 2]


def test_without_a_signer_nothing_is_signed(log: AuditLog) -> None:
    log.append(Event(action="act", actor="user:op"), seal=True)
    assert checkpoints(log) == []


FORGERIES = {
    "another key": "UPDATE checkpoints SET note = :other",
    "no note": "UPDATE checkpoints SET note = x''",
    "another size": "UPDATE checkpoints SET size = 10, root = (SELECT root FROM checkpoints)",
    "another root": "UPDATE checkpoints SET root = zeroblob(32)",
    "another log": "UPDATE log SET uuid = 'u'",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_checkpoint_is_noticed(filled: AuditLog, path: Path, name: str) -> None:
    note = filled.write_checkpoint(Signer(KEY))
    filled.close()
    other = sign(read(note), OTHER)
    connection = apsw.Connection(str(path), vfs=checksum_vfs())
    connection.execute(FORGERIES[name], {"other": other} if ":other" in FORGERIES[name] else None)
    connection.close()
    problem = verify(path, key=KEY.public_key()).problem
    assert problem is not None
    assert problem.code in ("E_CHECKPOINT_SIG", "E_ROOT")


def test_the_logs_key_is_made_once_and_private(log: AuditLog, path: Path) -> None:
    assert load_key(path) is None
    first, second = make_key(path), make_key(path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert stat.S_IMODE(key_path(path).stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []
    public = first.public_key()
    assert read_public(public_text(public)).public_bytes_raw() == public.public_bytes_raw()


def test_the_logs_key_is_read_in_our_form_and_in_any_other(log: AuditLog, path: Path) -> None:
    key = make_key(path)
    pem = key_path(path).read_bytes()
    assert pem == key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert _plain_key(pem) is not None
    other = pem.replace(b"\n", b"\r\n")
    assert _plain_key(other) is None
    for text in (pem, other):
        key_path(path).write_bytes(text)
        again = load_key(path)
        assert again is not None
        assert again.private_bytes_raw() == key.private_bytes_raw()


MAKER = """
import sys
from pathlib import Path
from byteor_store.leaf import leaf_text
from byteor_store.log_key import make_key, public_text
print(public_text(make_key(Path(sys.argv[1])).public_key()))
"""


def test_processes_that_make_the_key_at_once_get_the_same(log: AuditLog, path: Path) -> None:
    argv = [sys.executable, "-c", MAKER, str(path)]
    makers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({maker.communicate(timeout=60)[0] for maker in makers}) == 1


def test_a_maker_that_comes_second_takes_the_first_ones_key(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_key(path)
    answers = iter([None])  # as it was before the other process had written its key
    monkeypatch.setattr(log_key, "load_key", lambda place: next(answers, load_key(place)))
    assert make_key(path).private_bytes_raw() == first.private_bytes_raw()


@pytest.mark.parametrize("spoil", ["mode", "content", "link", "x25519"])
def test_a_key_file_that_is_not_ours_alone_or_no_key_is_refused(
    log: AuditLog, path: Path, spoil: str
) -> None:
    make_key(path)
    file = key_path(path)
    if spoil == "mode":
        file.chmod(0o640)
    elif spoil == "content":
        file.write_bytes(b"no key")
    elif spoil == "link":
        file.rename(file.with_name("moved"))
        file.symlink_to(file.with_name("moved"))
    else:
        x25519 = "MC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq"
        file.write_text(f"-----BEGIN PRIVATE KEY-----\n{x25519}\n-----END PRIVATE KEY-----\n")
    with pytest.raises(StoreError) as caught:
        load_key(path)
    assert (caught.value.code, caught.value.exit) == ("E_AUDIT_KEY", Exit.INTEGRITY)


@pytest.mark.parametrize("text", ["", "AAAA", "!" * 43, public_text(KEY.public_key()) + "=", "A" * 44])
def test_a_public_key_has_one_spelling(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        read_public(text)
    assert caught.value.exit == Exit.USAGE


def test_every_entry_is_proved_without_the_log(filled: AuditLog) -> None:
    filled.write_checkpoint(Signer(KEY))
    filled.append(Event(action="late", actor="user:op"))
    for seq in range(11):
        document = msgspec.json.encode(filled.prove(seq))
        proof = verify_proof(document, KEY.public_key())
        assert (proof.seq, proof.size, msgspec.json.decode(proof.leaf)["seq"]) == (seq, 11, seq)
    late = msgspec.json.encode(filled.prove(11))
    assert verify_proof(late).size == 12
    with pytest.raises(StoreError, match="nobody has signed"):
        verify_proof(late, KEY.public_key())
    with pytest.raises(StoreError) as caught:
        filled.prove(12)
    assert caught.value.exit == Exit.NOT_FOUND


def changed(document: bytes, **members: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(document) | members)


def test_no_changed_proof_passes(filled: AuditLog) -> None:
    note = filled.write_checkpoint(Signer(KEY))
    good = msgspec.json.encode(filled.prove(4))
    proof = msgspec.json.decode(good)
    foreign = sign(Checkpoint("byteor/a/b/c", 11, bytes(32)), KEY).decode()
    bad = [
        changed(good, leaf=proof["leaf"].replace("user:op", "user:me")),
        changed(good, seq=5),
        changed(good, size=12),
        changed(good, size=10),
        changed(good, root="00" * 32),
        changed(good, path=proof["path"][:-1]),
        changed(good, path=[*proof["path"], "00" * 32]),
        changed(good, path=["00" * 32, *proof["path"][1:]]),
        changed(good, path=["00", *proof["path"][1:]]),
        changed(good, path=["zz", *proof["path"][1:]]),
        changed(good, v=2),
        changed(good, extra=1),
        changed(good, note=None),
        changed(good, note=foreign),
        changed(good, note=sign(read(note), OTHER).decode()),
        changed(good, leaf="{}"),
        b"",
        b"{}",
        b"\xff",
        b"[" * 50_000,
    ]
    assert verify_proof(good, KEY.public_key())
    for document in bad:
        with pytest.raises(StoreError) as caught:
            verify_proof(document, KEY.public_key())
        assert caught.value.exit == Exit.INTEGRITY


def test_an_entry_that_stands_at_another_place_than_it_says_is_refused() -> None:
    leaf = leaf_text(Event(action="act", actor="a"), seq=7, ts_unix_ns=1, boot_id="b", body_digest=None)
    proof = prove(leaf, [bytes(32), leaf_hash(leaf)], 1, None)
    with pytest.raises(StoreError, match="not entry 1"):
        verify_proof(msgspec.json.encode(proof))


@given(data=st.data())
def test_no_bytes_raise_anything_but_a_refusal(data: st.DataObject) -> None:
    document = data.draw(st.binary(max_size=40) | st.sampled_from([b'{"v":1}', b"null", b"1e999"]))
    with pytest.raises(StoreError):
        verify_proof(document)


def test_a_leftover_of_a_killed_maker_is_in_nobodys_way(log: AuditLog, path: Path) -> None:
    key_path(path).with_name(f".{key_path(path).name}.{os.getpid() + 1}").write_bytes(b"half")
    assert make_key(path)


def test_a_line_without_the_mark_is_no_signature() -> None:
    text, _, line = NOTE.decode().partition("\n\n")
    unmarked = line.removeprefix("— ")
    with pytest.raises(CheckpointError, match="no signature"):
        read(f"{text}\n\n{unmarked}".encode(), KEY.public_key())


def test_a_checkpoint_does_not_change() -> None:
    with pytest.raises(AttributeError):
        CHECKPOINT.size = 4  # type: ignore[misc]
