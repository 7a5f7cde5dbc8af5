"""A followed file: rotations and truncations lose and double nothing, and a restart goes on where it was."""

from __future__ import annotations

import os
import random
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from edge_peers import Edges, letters_in, pump, take

from byteor.edge import EdgeError, follow
from byteor.edge.dead_letter import DeadLetters


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.002)
    monkeypatch.setattr(follow, "LOOK_S", 0.005)
    monkeypatch.setattr(follow, "GRACE_S", 0.02)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes(b"")
    return path


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def quiet(source: Any) -> None:
    for _ in range(5):
        assert source.read(10, 0.01) == []


def test_a_line_counts_when_its_newline_has_come(edges: Edges, log: Path) -> None:
    source = edges.source(f"file:{log}?follow=1")
    add(log, b"one\ntw")
    assert take(source, 1) == [b"one"]
    quiet(source)
    add(log, b"o\n")
    assert take(source, 1) == [b"two"]


def test_after_a_rename_the_old_file_is_read_to_its_end_first(edges: Edges, log: Path) -> None:
    source = edges.source(f"file:{log}?follow=1")
    add(log, b"1\n")
    assert take(source, 1) == [b"1"]
    old = log.rename(log.with_name("app.log.1"))
    quiet(source)
    add(old, b"2\n")  # the writer has not noticed yet
    log.write_bytes(b"4\n")
    add(old, b"3 without its newline")
    assert take(source, 3) == [b"2", b"3 without its newline", b"4"]
    add(log, b"5\n")
    assert take(source, 1) == [b"5"]
    assert source.counts()["rotations"] == 1


def test_a_truncated_file_is_read_from_its_start(edges: Edges, log: Path) -> None:
    source = edges.source(f"file:{log}?follow=1")
    add(log, b"1\n2\n3\n")
    assert take(source, 3) == [b"1", b"2", b"3"]
    log.write_bytes(b"4\n")
    assert take(source, 1) == [b"4"]
    log.write_bytes(b"5\n6\n7\n8\n")  # it has grown over the old size before anybody looked
    assert take(source, 4) == [b"5", b"6", b"7", b"8"]
    assert source.counts()["truncations"] == 2


STARTS = [("beginning", [b"old", b"part"]), ("end", []), ("4", [b"part"])]


@pytest.mark.parametrize(("start", "expected"), STARTS)
def test_it_starts_where_it_is_told(edges: Edges, log: Path, start: str, expected: list[bytes]) -> None:
    log.write_bytes(b"old\npar")
    source = edges.source(f"file:{log}?follow=1&start={start}")
    add(log, b"t\nnew\n")  # at the end: the rest of a line that had begun is none
    assert take(source, len(expected) + 1) == [*expected, b"new"]
    position = source.checkpoint()
    assert position["offset"] == log.stat().st_size


def commit_all(source: Any) -> None:
    source.commit(source.checkpoint())


def test_a_restart_goes_on_behind_what_was_committed(edges: Edges, log: Path, tmp_path: Path) -> None:
    text = f"file:{log}?follow=1&checkpoint={tmp_path / 'position'}"
    add(log, b"1\n2\n3\n")
    source = edges.source(text)
    assert source.read(2, 0.1) == [b"1", b"2"]
    commit_all(source)
    assert source.read(2, 0.1) == [b"3"]  # read, but it never left the run
    edges.close(source)
    assert stat.S_IMODE((tmp_path / "position").stat().st_mode) == 0o600
    source = edges.source(text)
    assert take(source, 1) == [b"3"]


def test_a_restart_finds_the_rotated_files(edges: Edges, log: Path, tmp_path: Path) -> None:
    text = f"file:{log}?follow=1&checkpoint={tmp_path / 'position'}"
    add(log, b"1\n2\n")
    source = edges.source(text)
    assert source.read(1, 0.1) == [b"1"]
    commit_all(source)
    edges.close(source)
    log.rename(log.with_name("app.log.2"))
    log.write_bytes(b"3\n")
    log.rename(log.with_name("app.log.1"))
    log.write_bytes(b"4\n")
    log.with_name("app.log.swp").write_bytes(b"not a log\n")
    for age, name in ((30, "app.log.2"), (20, "app.log.1"), (10, "app.log")):
        os.utime(log.with_name(name), (time.time() - age,) * 2)
    source = edges.source(text)
    assert take(source, 3) == [b"2", b"3", b"4"]


def test_a_checkpoint_of_a_file_that_is_gone_begins_anew_and_says_so(
    edges: Edges, log: Path, tmp_path: Path
) -> None:
    text = f"file:{log}?follow=1&checkpoint={tmp_path / 'position'}"
    add(log, b"1\n2\n")
    source = edges.source(text)
    take(source, 2)
    commit_all(source)
    edges.close(source)
    inode = log.stat().st_ino
    other = log.with_name("new")
    other.write_bytes(b"x\ny\nz\n")
    other.rename(log)
    assert log.stat().st_ino != inode
    source = edges.source(text)
    assert take(source, 3) == [b"x", b"y", b"z"]
    assert source.counts()["checkpoints_gone"] == 1


BAD_POSITIONS = [
    (b"", "holds no position"),
    (b"{}", "holds no position"),
    (b'{"source":"file:other","position":1}', "position of file:other"),
    (b'{"source":"file:PATH","position":1}', "another kind"),
    (b'{"source":"file:PATH","position":{"inode":1,"offset":0,"head":"zz"}}', "another kind"),
]


@pytest.mark.parametrize(("kept", "told"), BAD_POSITIONS)
def test_a_checkpoint_of_something_else_is_refused(
    edges: Edges, log: Path, tmp_path: Path, kept: bytes, told: str
) -> None:
    (tmp_path / "position").write_bytes(kept.replace(b"PATH", str(log).encode()))
    with pytest.raises(EdgeError, match=told) as caught:
        edges.source(f"file:{log}?follow=1&checkpoint={tmp_path / 'position'}")
    assert caught.value.code == "E_CHECKPOINT"


def test_a_plain_file_goes_on_from_its_checkpoint_too(edges: Edges, log: Path, tmp_path: Path) -> None:
    text = f"file:{log}?checkpoint={tmp_path / 'position'}"
    add(log, b"1\n2\n3\n")
    source = edges.source(text)
    assert source.read(2, 0.1) == [b"1", b"2"]
    commit_all(source)
    edges.close(source)
    source = edges.source(text)
    assert source.read(9, 0.1) == [b"3"]
    edges.close(source)
    log.write_bytes(b"1\n")
    with pytest.raises(EdgeError, match="has only 2 bytes"):
        edges.source(text)


def test_a_line_that_is_too_long_is_set_aside_and_its_place_is_counted(
    edges: Edges, log: Path, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    from byteor.edge import lines

    monkeypatch.setattr(lines, "LINE_LIMIT_BYTES", 10)
    add(log, b"one\n" + b"x" * 11 + b"\ntwo\n" + b"y" * 50 + b"\n")
    source = edges.source(f"file:{log}", dead)
    assert source.read(1, 0.1) == [b"one"]
    assert source.checkpoint() == 16  # behind what cannot be had
    assert source.read(9, 0.1) == [b"two"]
    assert source.checkpoint() == log.stat().st_size
    assert letters_in(dead) == [b"x" * 11, b"y" * 50]


def test_a_fifo_cannot_be_followed(edges: Edges, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EdgeError) as caught:
        edges.source(f"file:{tmp_path / 'fifo'}?follow=1")
    assert caught.value.code == "E_SOURCE_UNREADABLE"


def rotate_at_random(seed: int, log: Path, source: Any, steps: int) -> None:
    """A writer, a rotator and a reader take turns at random; the reader must see each line once, in order."""
    rng = random.Random(seed)
    written: list[bytes] = []
    got: list[bytes] = []
    number = rotations = 0
    for _ in range(steps):
        action = rng.random()
        if action < 0.55:
            for _ in range(rng.randint(1, 20)):
                line = b"%06d %s" % (number, b"x" * rng.randint(0, 60))
                add(log, line + b"\n")
                written.append(line)
                number += 1
        elif action < 0.62:
            # Before a truncation everything must have been read, or it is gone for everybody.
            got += pump(source, lambda: source._read_bytes == log.stat().st_size and not source._lines)
            if source._inode == log.stat().st_ino:
                log.write_bytes(b"")
        elif action < 0.72:
            rotations += 1
            log.rename(log.with_name(f"app.log.{rotations}"))
            log.write_bytes(b"")
            time.sleep(0.005)  # file times are that coarse: no two files shall have the same
        else:
            got += source.read(rng.randint(1, 50), rng.choice([0.0, 0.001, 0.03]))
    got += take(source, len(written) - len(got)) if len(got) < len(written) else []
    assert got == written


@pytest.mark.parametrize("seed", range(4))
def test_every_line_comes_once_through_rotations_at_random(edges: Edges, log: Path, seed: int) -> None:
    rotate_at_random(seed, log, edges.source(f"file:{log}?follow=1"), 60)


@pytest.mark.campaign
def test_every_line_comes_once_through_thousands_of_rotations(edges: Edges, log: Path) -> None:
    seed = int(os.environ.get("BYTEOR_SEED", "1"))
    rotate_at_random(seed, log, edges.source(f"file:{log}?follow=1"), 3_000)
