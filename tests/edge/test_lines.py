"""Line sources: nothing lost, nothing cut, never stuck."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge import EdgeError, lines, parse_source
from byteor.edge.lines import LineSource
from byteor.errors import Exit


class PipeSource(LineSource):
    """A line source on a pipe of our own."""

    def __init__(self) -> None:
        super().__init__("pipe")
        self.reader, self.writer = os.pipe()

    def open(self) -> None:
        self._attach(self.reader)


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_LIMIT_BYTES", 100)


@pytest.fixture
def pipe():
    source = PipeSource()
    source.open()
    yield source
    source.close()
    if source.writer >= 0:
        os.close(source.writer)


def drain(source, batch: int = 1000) -> list[bytes]:
    messages: list[bytes] = []
    while (part := source.read(batch, 1.0)) is not None:
        assert len(part) <= batch
        messages += part
    return messages


def read_file(path: Path, batch: int = 1000) -> tuple[list[bytes], object]:
    source = parse_source(f"file:{path}")
    source.open()
    try:
        return drain(source, batch), source.checkpoint()
    finally:
        source.close()


CASES = [
    (b"", []),
    (b"\n", [b""]),
    (b"a", [b"a"]),
    (b"a\n", [b"a"]),
    (b"a\n\nb", [b"a", b"", b"b"]),
    (b"a\r\nb\n", [b"a\r", b"b"]),
    (b"\xff\x00\n", [b"\xff\x00"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_line_is_a_message_without_its_newline(tmp_path: Path, text: bytes, expected: list[bytes]) -> None:
    path = tmp_path / "in"
    path.write_bytes(text)
    assert read_file(path) == (expected, len(text))


@settings(deadline=None)
@given(text=st.lists(st.binary(max_size=40), max_size=30).map(b"\n".join), chunk=st.integers(1, 9))
def test_chunk_borders_never_show(tmp_path_factory: pytest.TempPathFactory, text: bytes, chunk: int) -> None:
    path = tmp_path_factory.getbasetemp() / "chunks"
    path.write_bytes(text)
    expected = text.split(b"\n") if text else []
    if text.endswith(b"\n"):
        expected.pop()
    whole = lines.CHUNK_BYTES
    lines.CHUNK_BYTES = chunk
    try:
        assert read_file(path, batch=3) == (expected, len(text))
    finally:
        lines.CHUNK_BYTES = whole


def test_the_checkpoint_is_the_offset_behind_what_was_returned(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one\ntwo\nthree")
    source = parse_source(f"file:{path}")
    source.open()
    offsets = []
    while source.read(1, 0) is not None:
        offsets.append(source.checkpoint())
    assert offsets == [4, 8, 13]
    source.close()


def test_a_quiet_pipe_gives_an_empty_batch_within_the_timeout(pipe: PipeSource) -> None:
    os.write(pipe.writer, b"half a li")
    started = time.monotonic()
    assert pipe.read(10, 0.05) == []
    assert time.monotonic() - started < 2.0
    os.write(pipe.writer, b"ne\nnext")
    assert pipe.read(10, 1.0) == [b"half a line"]


def test_the_end_of_a_pipe_is_told_once_everything_was_handed_over(pipe: PipeSource) -> None:
    os.write(pipe.writer, b"a\nb")
    os.close(pipe.writer)
    pipe.writer = -1
    assert pipe.read(1, 1.0) == [b"a"]
    assert pipe.read(1, 1.0) == [b"b"]
    assert pipe.read(1, 1.0) is None
    assert pipe.read(1, 1.0) is None


def test_a_fifo_without_a_writer_is_quiet_and_not_ended(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = parse_source(f"file:{path}")
    source.open()
    assert source.read(1, 0.01) == []
    writer = threading.Thread(target=path.write_bytes, args=(b"late\n",))
    writer.start()
    messages = drain(source)
    writer.join()
    source.close()
    assert messages == [b"late"]


def test_a_line_without_end_is_refused_and_not_cut(short_lines: None, pipe: PipeSource) -> None:
    os.write(pipe.writer, b"ok\n" + b"x" * 101)
    with pytest.raises(EdgeError) as caught:
        pipe.read(10, 1.0)
        pipe.read(10, 1.0)
    assert caught.value.code == "E_OVERSIZE"
    assert "line 2" in caught.value.message


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    source = parse_source(f"file:{tmp_path / 'none'}")
    with pytest.raises(EdgeError) as caught:
        source.open()
    assert (caught.value.code, caught.value.exit) == ("E_SOURCE_NOT_FOUND", Exit.NOT_FOUND)


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    source = parse_source(f"file:{tmp_path}")
    with pytest.raises(EdgeError) as caught:
        source.open()
    assert (caught.value.code, caught.value.exit) == ("E_SOURCE_UNREADABLE", Exit.UNAVAILABLE)


def test_standard_input_is_read_to_its_end_and_left_open() -> None:
    reader, writer = os.pipe()
    saved = os.dup(0)
    os.dup2(reader, 0)
    os.close(reader)
    try:
        source = parse_source("stdin:")
        source.open()
        os.write(writer, b"x\ny\n")
        os.close(writer)
        assert drain(source) == [b"x", b"y"]
        source.close()
        os.fstat(0)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
