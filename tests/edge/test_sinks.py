"""Line sinks: whole lines or none, private files, clear errors."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge import EdgeError, parse_sink, parse_source
from byteor.edge.dead_letter import DeadLetters
from byteor.edge.sinks import FileSink
from byteor.errors import Exit


def write_all(path: Path, *batches: list[bytes]) -> None:
    sink = parse_sink(f"file:{path}")
    sink.open()
    for batch in batches:
        sink.write([memoryview(message) for message in batch])
    sink.flush()
    sink.close()


def test_a_newline_inside_is_no_two_messages(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "out"))
    sink.open()
    with pytest.raises(EdgeError, match="newline inside") as caught:
        sink.write([b"a", b"b\nc", b"d"])
    assert caught.value.code == "E_FRAMING"
    sink.dead_letters = letters = DeadLetters(str(tmp_path / "letters"))
    letters.open()
    sink.write([b"a", b"b\nc", b"d"])
    sink.write([b"\n"])
    assert (tmp_path / "out").read_bytes() == b"a\nd\n"
    assert letters.count == 2
    sink.close()
    letters.close()


def test_every_message_gets_its_newline_back(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write_all(path, [b"a", b""], [], [b"b"])
    assert path.read_bytes() == b"a\n\nb\n"


def test_a_batch_is_in_the_file_before_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "out"
    sink = parse_sink(f"file:{path}")
    sink.open()
    sink.write([b"now"])
    assert path.read_bytes() == b"now\n"
    sink.close()


@settings(deadline=None)
@given(messages=st.lists(st.binary(max_size=30).filter(lambda text: b"\n" not in text), max_size=20))
def test_what_a_sink_writes_a_source_reads_back(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "back"
    path.unlink(missing_ok=True)
    write_all(path, messages)
    source = parse_source(f"file:{path}")
    source.open()
    read: list[bytes] = []
    while (batch := source.read(7, 0)) is not None:
        read += batch
    source.close()
    assert read == messages


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "out"
    before = os.umask(mask)
    try:
        write_all(path, [b"x"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_appended_to_behind_its_unfinished_line(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old\nunfinished")
    write_all(path, [b"new"])
    assert path.read_bytes() == b"old\nunfinished\nnew\n"


FULL_DISK = """
import resource, sys
from byteor.edge import EdgeError, parse_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (25, 25))
sink = parse_sink("file:" + sys.argv[1])
sink.open()
sink.write([b"12345678"])
try:
    sink.write([b"12345678", b"12345678"])
except EdgeError as error:
    print(error.code, error.hint)
"""


def test_a_full_disk_leaves_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "out"
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.startswith("E_SINK_WRITE make room")
    assert path.read_bytes() == b"12345678\n12345678\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 25


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        parse_sink(f"file:{tmp_path / 'none' / 'out'}").open()
    assert (caught.value.code, caught.value.exit) == ("E_SINK_NOT_FOUND", Exit.NOT_FOUND)


def test_a_folder_is_unwritable(tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        parse_sink(f"file:{tmp_path}").open()
    assert (caught.value.code, caught.value.exit) == ("E_SINK_UNWRITABLE", Exit.UNAVAILABLE)


def test_a_fifo_without_a_reader_is_told_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EdgeError, match="nobody reads") as caught:
        parse_sink(f"file:{tmp_path / 'fifo'}").open()
    assert (caught.value.code, caught.value.exit) == ("E_SINK_UNWRITABLE", Exit.UNAVAILABLE)


def test_a_reader_that_went_away_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = parse_sink(f"file:{path}")
    sink.open()
    sink.write([b"heard"])
    assert os.read(reader, 100) == b"heard\n"
    os.close(reader)
    with pytest.raises(EdgeError) as caught:
        sink.write([b"not heard"])
    sink.close()
    assert caught.value.code == "E_SINK_CLOSED"


def test_standard_output_gets_the_lines() -> None:
    code = "from byteor.edge import parse_sink; s = parse_sink('stdout:'); s.open(); s.write([b'a', b'b'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert ran.stdout == b"a\nb\n"


def test_the_null_sink_takes_everything() -> None:
    sink = parse_sink("null:")
    sink.open()
    sink.write([b"x"] * 10)
    sink.flush()
    sink.close()
    assert sink.health().ok
