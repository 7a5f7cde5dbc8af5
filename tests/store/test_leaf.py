"""The leaf's bytes are those that docs/formats.md promises."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from byteor.errors import Exit
from byteor_store import Event, Leaf, StoreError, current_actor
from byteor_store.leaf import body_digest, canonical, leaf_text
from byteor_store.merkle import leaf_hash

ROOT = Path(__file__).resolve().parents[2]
VECTOR = json.loads((ROOT / "tests/data/store/audit-leaf.json").read_text())


def test_the_published_vector_comes_out() -> None:
    event = msgspec.convert(VECTOR["event"], Event)
    assert event.body is not None
    body = canonical(event.body)
    assert body.decode() == VECTOR["body_text"]
    digest = body_digest(bytes.fromhex(VECTOR["salt_hex"]), body)
    assert digest == VECTOR["body_digest"]
    text = leaf_text(
        event,
        seq=VECTOR["seq"],
        ts_unix_ns=VECTOR["ts_unix_ns"],
        boot_id=VECTOR["boot_id"],
        body_digest=digest,
    )
    assert text.decode() == VECTOR["leaf_text"]
    assert leaf_hash(text).hex() == VECTOR["leaf_hash"]


def test_the_document_names_the_vector_and_every_member() -> None:
    text = (ROOT / "docs/formats.md").read_text()
    assert VECTOR["leaf_hash"] in text
    assert all(f"`{member}`" in text for member in Leaf.__struct_fields__)
    assert set(json.loads(VECTOR["leaf_text"])) == set(Leaf.__struct_fields__)


BAD = [{"n": 2**53}, {"n": float("nan")}, {"s": "\ud800"}, {1: "key"}, {"b": b"bytes"}]


@pytest.mark.parametrize("body", BAD, ids=repr)
def test_a_body_without_canonical_text_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(StoreError) as caught:
        canonical(body)
    assert (caught.value.code, caught.value.exit) == ("E_AUDIT_BODY", Exit.RUNTIME)


def test_the_salt_keeps_equal_bodies_apart() -> None:
    assert body_digest(bytes(32), b"{}") != body_digest(bytes(31) + b"\x01", b"{}")


def test_this_process_has_an_actor() -> None:
    assert current_actor().startswith(("user:", "uid:"))


@given(st.lists(st.text() | st.none(), min_size=9, max_size=9), st.integers(0, 2**53 - 1))
def test_a_leafs_text_is_what_rfc_8785_says(texts: list[str | None], seq: int) -> None:
    action, actor, *others = texts
    names = ("approval_id", "decision", "env", "kid", "rule", "run_id", "spec_hash")
    event = Event(action=action or "", actor=actor or "", **dict(zip(names, others, strict=True)))
    text = leaf_text(event, seq=seq, ts_unix_ns=seq, boot_id="b", body_digest=None)
    assert text == rfc8785.dumps(json.loads(text))
    assert msgspec.json.decode(text, type=Leaf).actor == event.actor


def test_every_character_that_json_escapes_is_escaped_as_rfc_8785_does() -> None:
    awkward = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\u00e9\U0001f600'
    text = leaf_text(Event(action="a", actor=awkward), seq=0, ts_unix_ns=0, boot_id="", body_digest=None)
    assert text == rfc8785.dumps(json.loads(text))
