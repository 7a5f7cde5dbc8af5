"""What holds for every document, tried on random ones.

The long form: ``BYTEOR_SEED=1 pytest -m campaign tests/spec/test_properties.py``.
It takes 20,000 documents of each sort.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.spec import SpecError, check_document, check_value, encode, read_document
from byteor.spec.document import Document

sys.path.insert(0, str(Path(__file__).parent))

import spec_documents as generate

SEED = int(os.environ.get("BYTEOR_SEED", "20261123"))
FAST, LONG = 700, 20_000
COUNTS = [
    pytest.param(FAST, id="fast"),
    pytest.param(LONG, id="long", marks=pytest.mark.campaign),
]
SORTS: dict[str, Callable[[random.Random], Any]] = {
    "ring": generate.ring,
    "graph": generate.graph,
    "plan": generate.plan,
}


def shuffled(r: random.Random, text: bytes) -> bytes:
    """The same document in another order, with blank lines, comments and CRLF."""
    lines = text.splitlines()
    r.shuffle(lines)
    for _ in range(r.randrange(4)):
        lines.insert(r.randrange(len(lines) + 1), r.choice((b"", b"# note", b"  ")))
    return r.choice((b"\n", b"\r\n")).join(lines)


def nested(document: Document) -> Any:
    """What the KV of ``document`` is as JSON, through the entries alone."""
    import re

    from byteor.spec.fields import KEYS
    from byteor.spec.finding import Findings
    from byteor.spec.lines import read_lines

    root: dict[str, Any] = {}
    text = document.canonical() or b""
    for entry in read_lines(text, Findings()):
        place, parts = root, entry.key.split(".")
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        number = KEYS[re.sub(r"\.[0-9]+", ".N", entry.key)][1].type == "int"
        place[parts[-1]] = int(entry.value) if number else entry.value
    return _lists(root)


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    made = {key: _lists(child) for key, child in node.items()}
    return [made[str(i)] for i in range(len(made))] if made and "0" in made else made


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("sort", SORTS)
def test_decoding_what_was_encoded_gives_the_same(sort: str, count: int) -> None:
    r = random.Random(f"{SEED}{sort}")
    for number in range(count):
        value = SORTS[sort](r)
        text = encode(value)
        document = read_document(text, strict=True)
        assert document.errors == 0, (number, document.findings)
        assert document.value == value
        again = read_document(shuffled(r, text), strict=True)
        assert again.canonical() == text


@pytest.mark.parametrize("sort", SORTS)
def test_json_means_the_same_as_kv(sort: str) -> None:
    import msgspec

    r = random.Random(f"{SEED}json{sort}")
    for _ in range(200):
        document = read_document(encode(SORTS[sort](r)))
        data = msgspec.json.encode(nested(document))
        assert read_document(data, format="json", strict=True).value == document.value


@pytest.mark.parametrize("count", COUNTS)
def test_every_right_plan_lowers_to_a_right_spec(count: int) -> None:
    r = random.Random(f"{SEED}right")
    for number in range(count // 4):
        for plan in (generate.right_plan(r), generate.right_ring_plan(r)):
            report = check_value(plan)
            assert report.ok, (number, report.plan_diagnostics, encode(plan).decode())
            valid = report.required()
            assert check_document(read_document(valid.canonical, strict=True)).required() == valid


_OPTIONAL = "shards ordering producer scheduling capacity slot_bytes producers on_full mode policy"
DEFAULTED = tuple(_OPTIONAL.encode().split())


@pytest.mark.parametrize("count", COUNTS)
def test_a_mutated_file_has_another_hash_or_is_refused(count: int) -> None:
    """Another byte anywhere, a byte more or less, or a line less that has no default; read strictly."""
    r = random.Random(f"{SEED}mutate")
    originals = [check_value(generate.right_plan(r)).required() for _ in range(20)]
    originals += [check_value(generate.right_ring_plan(r)).required() for _ in range(20)]
    accepted = 0
    for _ in range(count):
        original = r.choice(originals)
        mutated = mutate(r, original.canonical)
        report = check_document(read_document(mutated, strict=True))
        if report.spec is not None:
            accepted += 1
            assert report.spec.spec_hash != original.spec_hash, mutated
    assert accepted > count // 100  # else the mutations say nothing about hashes


def mutate(r: random.Random, text: bytes) -> bytes:
    lines = text.splitlines()
    place = r.randrange(len(lines))
    line = bytearray(lines[place])
    at = r.randrange(len(line))
    choice = r.randrange(4)
    if choice == 0:
        line[at] = r.choice([byte for byte in range(0x20, 0x7F) if byte != line[at] and byte != 0x23])
    elif choice == 1:
        line.insert(at, r.choice([byte for byte in range(0x20, 0x7F) if byte not in b"#"]))
    elif choice == 2:
        del line[at]
    elif line.split(b"=")[0].rpartition(b".")[2] not in DEFAULTED:
        del lines[place]
        return b"\n".join(lines) + b"\n"
    else:
        line += r.choice((b"0", b"x"))
    lines[place] = bytes(line)
    return b"\n".join(lines) + b"\n"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["kv", "json", "toml"]))
def test_no_bytes_make_the_reader_raise_anything_of_its_own(data: bytes, form: str) -> None:
    report = check_document(read_document(data, format=form))
    assert report.ok or report.plan_diagnostics


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(min_size=1, max_size=30))
def test_no_built_value_raises_anything_but_a_spec_error(name: str, key: str) -> None:
    from byteor.spec.model import RingStage, SingleRing

    report = check_value(SingleRing(name, (RingStage("a", key),)))
    try:
        assert report.required().spec.name == name
    except SpecError as error:
        assert error.findings
