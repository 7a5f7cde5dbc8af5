"""The log of a detached run: whole lines with their moment, bounded, read to its last word."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from byteor.runtime.errors import RunError
from byteor.runtime.runlog import LINE_BYTES, OLDER_LOG, RUN_LOG, LogWriter, abandoned_logs, read_log

MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ")


def open_writer(run: Path, part_bytes: int = 1 << 20) -> LogWriter:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return LogWriter(os.open(run / RUN_LOG, flags, 0o600), part_bytes)


def texts(data: bytes) -> list[bytes]:
    lines = data.splitlines()
    assert all(MOMENT.match(line) for line in lines)
    return [line.split(b" ", 1)[1] for line in lines]


def test_pieces_out_of_a_pipe_become_whole_lines(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    for piece in (b"on", b"e\ntw", b"o\n", b"last word"):
        writer.feed(piece)
    assert texts((tmp_path / RUN_LOG).read_bytes()) == [b"one", b"two"]
    writer.close()
    assert texts(b"".join(read_log(tmp_path))) == [b"one", b"two", b"last word"]


def test_a_line_without_an_end_is_broken_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    writer.feed(b"x" * (2 * LINE_BYTES + 5))
    writer.close()
    lines = texts((tmp_path / RUN_LOG).read_bytes())
    assert [len(line) for line in lines] == [LINE_BYTES, LINE_BYTES, 5]


def test_two_parts_are_kept_and_no_more(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, part_bytes=4096)
    for number in range(1_000):
        writer.line(b"%04d" % number)
    writer.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * 4096
    kept = texts(b"".join(read_log(tmp_path)))
    assert kept == [b"%04d" % number for number in range(1_000 - len(kept), 1_000)]
    assert len(kept) > 100
    assert (tmp_path / OLDER_LOG).stat().st_mode & 0o777 == 0o600


def test_a_log_whose_folder_is_gone_stays_bounded(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    writer = open_writer(run, part_bytes=1024)
    size = os.dup(writer._fd)
    (run / RUN_LOG).unlink()
    run.rmdir()
    for _ in range(200):
        writer.line(b"y" * 100)
    assert os.fstat(size).st_size < 2048
    os.close(size)
    writer.close()


def test_following_sees_new_parts_and_ends_with_the_writer(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, part_bytes=2048)
    writer.line(b"first")
    seen: list[bytes] = []
    started = threading.Event()

    def follow() -> None:
        for chunk in read_log(tmp_path, follow=True):
            seen.append(chunk)
            started.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert started.wait(10)
    for number in range(40):  # one part and a bit, so that no part passes between two looks
        writer.line(b"%04d" % number)
    assert reader.is_alive()
    writer.line(b"the end")
    writer.close()
    reader.join(10)
    assert not reader.is_alive()
    assert texts(b"".join(seen))[-1] == b"the end"


def test_a_run_that_was_not_detached_has_no_log(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        list(read_log(tmp_path))
    assert (caught.value.code, caught.value.exit) == ("E_RUN_LOG", 7)


def test_only_logs_that_nobody_writes_any_more_are_abandoned(tmp_path: Path) -> None:
    for name in ("old", "fresh", "live"):
        (tmp_path / f".start-{name}.log").touch()
    for name in ("old", "live"):
        os.utime(tmp_path / f".start-{name}.log", (1, 1))
    writer = LogWriter(os.open(tmp_path / ".start-live.log", os.O_WRONLY | os.O_APPEND))
    assert [path.name for path in abandoned_logs(tmp_path)] == [".start-old.log"]
    writer.close()
