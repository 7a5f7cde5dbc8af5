"""The project's vectors: their canonical text and hash are fixed for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from byteor.spec import encode, load, read_document, spec_hash
from byteor.spec.model import LaneGraph, SingleRing

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "data/spec/index.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["file"] for vector in VECTORS])
def test_a_vector_keeps_its_text_and_hash(vector: dict[str, str], data: Path) -> None:
    text = (data / vector["file"]).read_bytes()
    valid = load(data / vector["file"], strict=True)
    assert valid.canonical == text
    assert valid.spec_hash == vector["spec_hash"] == "sha256:" + hashlib.sha256(text).hexdigest()
    assert valid.model == vector["model"]
    assert spec_hash(valid.spec) == vector["spec_hash"]


def test_defaults_may_be_left_out_and_comments_put_in(data: Path) -> None:
    text = (data / "telemetry.spec.kv").read_text()
    for line in (
        "shards=1",
        "ordering=strict",
        "producer=single",
        "scheduling=dedicated",
        "capacity=1024",
        "slot_bytes=256",
    ):
        assert f"single_ring.{line}\n" in text
        text = text.replace(f"single_ring.{line}\n", "")
    lines = text.splitlines()
    messy = "# a comment\r\n\r\n" + "\r\n".join(reversed(lines))
    value = read_document(messy.encode()).value
    assert isinstance(value, SingleRing)
    assert encode(value) == (data / "telemetry.spec.kv").read_bytes()


def test_graph_defaults_may_be_left_out(data: Path) -> None:
    text = (data / "shadow.spec.kv").read_text()
    short = "".join(
        line
        for line in text.splitlines(keepends=True)
        if line.rstrip().rpartition(".")[2]
        not in ("producers=single", "capacity=1024", "slot_bytes=256", "mode=broadcast")
    )
    assert len(short) < len(text) - 200
    value = read_document(short.encode()).value
    assert isinstance(value, LaneGraph)
    assert encode(value) == text.encode()
