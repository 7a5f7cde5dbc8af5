"""No input of any bytes makes the reader or the rules raise; coverage decides what is mutated further.

The long form, 1,000,000 inputs: ``BYTEOR_SEED=1 pytest -m campaign tests/spec/test_fuzz.py``.
A failure prints the input; ``BYTEOR_FUZZ_COUNT`` changes the number.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from byteor.spec import check_document, encode, read_document
from byteor.spec.explain_examples import EXAMPLES, text

sys.path.insert(0, str(Path(__file__).parent))

import spec_documents

SEED = int(os.environ.get("BYTEOR_SEED", "20261123"))
LONG = int(os.environ.get("BYTEOR_FUZZ_COUNT", "1000000"))
ROOT = str(Path(__file__).resolve().parents[2] / "byteor/spec")
TRACED_SHARE = 0.01  # tracing is fifty times slower than reading
WORDS = (
    *b"single_ring. lane_graph. pipeline. stages. lanes. roles. connections. depends_on. rx. tx.".split(),
    *b"= . # v=1 v=2 0 1 00 99999 9223372036854775807 9223372036854775808 -1 true null NaN 1e9".split(),
    *b'\xff \x00 \xef\xbb\xbf { } [ ] " , : \\u0000 [[ ]] {"v":2} [pipeline] bytes:0:1 json:/~'.split(),
    *b"http_post:http://[::1 exec:/".split(),
    b"\n",
    b" ",
)


def seeds() -> Iterator[tuple[str, bytes]]:
    for example in EXAMPLES.values():
        if example.format == "kv":
            yield "kv", text(example.base, example.bad, example.raw[:80]).encode()
    r = random.Random(1)
    for make in (spec_documents.right_plan, spec_documents.right_ring_plan, spec_documents.graph):
        yield "kv", encode(make(r))
    yield (
        "json",
        b'{"v":2,"pipeline":{"name":"p","target":"SingleRing","stages":[{"id":"a","key":"identity"}]}}',
    )
    yield (
        "json",
        b'{"v":1,"model":"lane_graph","name":"g","lane_graph":{"lanes":[{"name":"a","kind":"events"}]}}',
    )
    yield (
        "toml",
        b'v=2\n[pipeline]\nname="p"\ntarget="LaneGraph"\n[[pipeline.stages]]\nid="a"\nkey="identity"\n',
    )


def mutate(r: random.Random, data: bytes, other: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 4))):
        at = r.randrange(len(made) + 1)
        choice = r.randrange(7)
        if choice == 0 and made:
            made[at % len(made)] = r.randrange(256)
        elif choice == 1:
            made[at:at] = r.choice(WORDS)
        elif choice == 2:
            del made[at : at + r.choice((1, 2, 8, 64))]
        elif choice == 3:
            end = at + r.randrange(1, 80)
            made[at:at] = made[at:end]
        elif choice == 4:
            start = r.randrange(len(other) + 1)
            made[at:at] = other[start : start + r.randrange(1, 120)]
        elif choice == 5:
            lines = made.splitlines(keepends=True)
            r.shuffle(lines)
            made = bytearray(b"".join(lines))
        else:
            made[at : at + 1] = bytes([r.choice(b"0123456789=.\n#")])
    return bytes(made[:6000])


def judge(form: str, data: bytes) -> None:
    """Read and check ``data``; what is accepted must be a fixed point."""
    report = check_document(read_document(data, format=form))
    if report.spec is None:
        assert report.plan_diagnostics, "refused without a word"
    else:
        again = check_document(read_document(report.spec.canonical, strict=True))
        assert again.required() == report.spec, "not a fixed point"


class Coverage:
    """Lines of byteor/spec that were reached, by the tracer of the interpreter."""

    def __init__(self) -> None:
        self.reached: set[tuple[str, int, int]] = set()
        self.last = 0

    def __enter__(self) -> Coverage:
        self.before = len(self.reached)
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)

    @property
    def grew(self) -> bool:
        return len(self.reached) > self.before

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ROOT):
            return None
        self.last = 0
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.reached.add((frame.f_code.co_filename, self.last, frame.f_lineno))
            self.last = frame.f_lineno
        return self._line


def fuzz(count: int, seed: int) -> tuple[int, int]:
    """Judge ``count`` inputs; returns the sizes of corpus and coverage (edges between lines)."""
    r = random.Random(seed)
    corpus = list(seeds())
    coverage = Coverage()
    for form, data in corpus:
        with coverage:
            judge(form, data)
    for number in range(count):
        form, data = r.choice(corpus[-400:] if r.random() < 0.5 else corpus)
        if r.random() < 0.02:
            form = r.choice(("kv", "json", "toml"))
        made = mutate(r, data, r.choice(corpus)[1])
        try:
            if r.random() < TRACED_SHARE:
                with coverage:
                    judge(form, made)
                if coverage.grew and len(corpus) < 20_000:
                    corpus.append((form, made))
            else:
                judge(form, made)
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {form} {made!r}") from error
    return len(corpus), len(coverage.reached)


def test_no_input_makes_the_reader_raise() -> None:
    corpus, edges = fuzz(1500, SEED)
    assert edges > 300 and corpus > 50


@pytest.mark.campaign
def test_no_input_of_a_million_makes_the_reader_raise() -> None:
    parts = 20
    for part in range(parts):
        corpus, edges = fuzz(LONG // parts, SEED + part)
        print(f"{(part + 1) * LONG // parts:,} inputs, corpus {corpus}, {edges} edges", flush=True)
