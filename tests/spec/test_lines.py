"""The line rules of KV: every fault with its line and column, all of them in one pass."""

from __future__ import annotations

import pytest

from byteor.spec import check_document, read_document
from byteor.spec.explain_examples import RING, text
from byteor.spec.finding import MAX_FINDINGS

GOOD = text(RING, {})


def found(data: bytes, **options: bool) -> list[tuple[str, int | None, int | None]]:
    report = check_document(read_document(data, **options))  # type: ignore[arg-type]
    return [(f.code, f.where.line, f.where.column) for f in report.plan_diagnostics]


LAST = GOOD.count("\n") + 1


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        (b"no equals sign", "E_LINE", 1),
        (b" single_ring.slot_bytes=64", "E_LINE", 1),
        (b"single_ring.slot_bytes =64", "E_LINE", 23),
        (b"single_ring.slot_bytes= 64", "E_LINE", 24),
        (b"single_ring.slot_bytes=64 ", "E_LINE", 26),
        (b"single_ring.slot_bytes=", "E_LINE", 24),
        (b"single_ring..slot_bytes=64", "E_KEY", 1),
        (b"single_ring.Slot=64", "E_KEY", 1),
        (b"single_ring.stages.00.name=a", "E_KEY", 1),
        (b"=64", "E_KEY", 1),
        (b"single_ring.slot_bytes=6\x004", "E_ENCODING", 25),
        (b"single_ring.slot_bytes=64\t", "E_ENCODING", 26),
        (b"single_ring.slot_bytes=64\r", "E_ENCODING", 26),
        ("# na\u00efve".encode(), "E_ENCODING", 5),
        (b"name=again", "E_DUP_KEY", 1),
        (b"single_ring.slot_bytes=064", "E_TYPE", 24),
        (b"single_ring.slot_bytes=-64", "E_TYPE", 24),
        (b"single_ring.slot_bytes=9223372036854775808", "E_TYPE", 24),
        (b"single_ring.slot_bytes=1e3", "E_TYPE", 24),
        (b"single_ring.stages.3.name=a", "E_INDEX", 1),
        (b"single_ring.stages.9223372036854775808.name=a", "E_INDEX", 1),
    ],
)
def test_a_bad_line_is_told_with_its_place(line: bytes, code: str, column: int) -> None:
    # A CR before the LF is a line end, so the one under test stands before a blank.
    faults = found(GOOD.encode() + line + (b" \n" if line.endswith(b"\r") else b"\n"))
    assert faults[0] == (code, LAST, column)


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode().removesuffix(b"\n"),
        GOOD.replace("\n", "\r\n").encode(),
        b"\n\n# comment\n#\n   \n" + GOOD.encode(),
        GOOD.encode() + b"single_ring.slot_bytes=1048576\n",
    ],
)
def test_what_reading_forgives(data: bytes) -> None:
    assert found(data) == []


def test_all_faults_of_a_file_are_told_at_once() -> None:
    edits = {
        "name": "Bad Name",
        "single_ring.capacity": "1000",
        "single_ring.shards": "0",
        "single_ring.stages.1.depends_on.0": "7",
    }
    codes = [code for code, _, _ in found(text(RING, edits, "oops\n").encode())]
    assert sorted(codes) == ["E_CAPACITY", "E_DEP_RANGE", "E_LINE", "E_NAME", "E_SHARDS"]


def test_a_line_may_have_4096_bytes_and_no_more() -> None:
    key = "single_ring.stages.0.key=a:"
    assert found(GOOD.encode() + b"#" * 4096) == []
    assert found(GOOD.encode() + b"#" * 4097) == [("E_LINE_LENGTH", LAST, 4097)]
    long = text(RING, {"single_ring.stages.0.key": "a:" + "x" * 1024})
    assert found(long.encode()) == []
    assert found(text(RING, {"single_ring.stages.0.key": "a:" + "x" * 1025}).encode())[0][0] == "E_VALUE"
    assert key


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GOOD.encode("utf-16"), "E_ENCODING"),
        (GOOD.encode("utf-16-be"), "E_ENCODING"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "E_ENCODING"),
        (b"\x00" * 5000, "E_LINE_LENGTH"),
        (b"\x00" * 100, "E_ENCODING"),
        (b"", "E_MISSING"),
        (b"\n", "E_MISSING"),
        (b"\xff", "E_ENCODING"),
    ],
)
def test_what_is_no_kv_at_all_is_refused(data: bytes, code: str) -> None:
    assert found(data)[0][0] == code


def test_an_unknown_key_is_a_warning_with_a_guess_and_strictly_an_error() -> None:
    data = text(RING, {"single_ring.stages.1.kee": "x"}).encode()
    loose, strict = (check_document(read_document(data, strict=flag)) for flag in (False, True))
    assert loose.ok and not strict.ok
    assert loose.plan_diagnostics[0].hint == "did you mean `single_ring.stages.1.key`?"
    assert [f.code for f in strict.plan_diagnostics] == ["E_UNKNOWN_KEY"]
    assert loose.required().canonical == check_document(read_document(GOOD.encode())).required().canonical


def test_a_flood_of_faults_is_bounded_and_counted() -> None:
    report = check_document(read_document(GOOD.encode() + b"?\n" * 50_000))
    assert len(report.plan_diagnostics) == MAX_FINDINGS + 1
    last = report.plan_diagnostics[-1]
    assert last.code == "E_TOO_MANY_FINDINGS" and "49000" in last.message


@pytest.mark.parametrize("line", ["pipeline.name=x", "lane_graph.on_full=drop", "lane_graph.lanes.0.name=x"])
def test_a_key_of_another_document_does_not_belong(line: str) -> None:
    assert [code for code, _, _ in found(f"{GOOD}{line}\n".encode())] == ["E_FIELD"]


def test_utf_16_is_one_finding_and_a_byte_order_mark_hides_no_other() -> None:
    assert found(GOOD.encode("utf-16")) == [("E_ENCODING", 1, 1)]
    assert found(b"\xef\xbb\xbf" + GOOD.encode() + b"oops\n") == [("E_ENCODING", 1, 1), ("E_LINE", LAST, 1)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("single_ring.stages.1.key= identity", "E_LINE"),
        ("single_ring.stages.1.key =identity", "E_LINE"),
        ("Single_Ring.stages.1.key=identity", "E_KEY"),
        ("single_ring.stages.1.key=", "E_LINE"),
        ("single_ring.stages.1.key=caf\u00e9", "E_ENCODING"),
        ("single_ring.stages.1.key=x:" + "y" * 4096, "E_LINE_LENGTH"),
    ],
)
def test_a_refused_line_is_not_told_as_missing_too(line: str, code: str) -> None:
    data = text(RING, {"single_ring.stages.1.key": None}, line + "\n").encode()
    assert [row[0] for row in found(data)] == [code]
    both = text(RING, {}, line + "\n").encode()  # nor as standing twice
    assert [row[0] for row in found(both)] == [code]


def test_behind_a_hole_no_other_item_is_blamed() -> None:
    edits = {"single_ring.stages.2.name": "third", "single_ring.stages.2.key": "zscore"}
    edits |= {"single_ring.stages.1.name": None, "single_ring.stages.1.key": None}
    edits |= {"single_ring.stages.1.depends_on.0": None, "single_ring.stages.0.name": "third"}
    report = check_document(read_document(text(RING, edits).encode()))
    assert [(f.code, f.where.key) for f in report.plan_diagnostics] == [("E_INDEX", "single_ring.stages")]
    assert "stages.1` is missing" in report.plan_diagnostics[0].message
