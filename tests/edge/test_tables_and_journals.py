"""SQLite tables and disk journals: batches whole or not at all, and a restart that goes on."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import apsw
import pytest
from edge_peers import Call, Edges, eventually, letters_in, take

from byteor.edge import EdgeError
from byteor.edge.dead_letter import DeadLetters


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    db = apsw.Connection(str(path))
    found = list(db.execute(query))
    db.close()
    return found


def test_what_a_table_takes_it_gives_back(edges: Edges, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    messages = [b"one", b"\xff\x00", b"", b'drei"']
    sink = edges.sink(f'sqlite:{path}?table=od"d')
    sink.write([memoryview(message) for message in messages])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    source = edges.source(f'sqlite:{path}?table=od"d&column=message')
    assert source.read(3, 0) == messages[:3]
    assert source.read(3, 0) == messages[3:]
    assert source.read(3, 0) is None


def test_a_row_without_a_column_is_json(edges: Edges, tmp_path: Path) -> None:
    rows(tmp_path / "x.db", "CREATE TABLE t (a, b, c)")
    rows(tmp_path / "x.db", "INSERT INTO t VALUES (1.5, 'x', x'00ff'), (NULL, 2, '')")
    source = edges.source(f"sqlite:{tmp_path / 'x.db'}?table=t")
    found = [json.loads(message) for message in source.read(9, 0)]
    assert found == [{"a": 1.5, "b": "x", "c": "AP8="}, {"a": None, "b": 2, "c": ""}]


def test_new_rows_are_followed_and_a_restart_goes_on(edges: Edges, tmp_path: Path) -> None:
    text = f"sqlite:{tmp_path / 'x.db'}?table=t"
    sink = edges.sink(text)
    follow = f"{text}&column=message&follow=1&checkpoint={tmp_path / 'position'}"
    source = edges.source(follow)
    assert source.read(9, 0.0) == []
    sink.write([b"1", b"2", b"3"])
    assert take(source, 2, batch=2) == [b"1", b"2"]
    source.commit(source.checkpoint())
    assert take(source, 1) == [b"3"]
    edges.close(source)
    assert take(edges.source(follow), 1) == [b"3"]


def test_a_batch_is_there_whole_or_not_at_all(edges: Edges, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    rows(path, "CREATE TABLE t (message CHECK (message <> 'bad'))")
    sink = edges.sink(f"sqlite:{path}?table=t")
    with pytest.raises(EdgeError) as caught:
        sink.write([b"1", b"bad", b"3"])
    assert caught.value.code == "E_SINK_WRITE"
    sink.write([b"4"])
    assert rows(path, "SELECT message FROM t") == [("4",)]


def test_a_locked_table_is_waited_for_and_the_wait_can_be_ended(edges: Edges, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sink = edges.sink(f"sqlite:{path}?table=t")
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    call = Call(lambda: sink.write([b"1"]))
    eventually(lambda: sink.counts().get("busy", 0) > 2)
    other.execute("COMMIT")
    call.outcome()
    other.execute("BEGIN IMMEDIATE")
    call = Call(lambda: sink.write([b"2"]))
    eventually(lambda: sink.counts().get("busy", 0) > 5)
    sink.cancel()
    with pytest.raises(EdgeError) as caught:
        call.outcome()
    other.execute("COMMIT")
    other.close()
    assert caught.value.code == "E_SINK_CANCELLED"
    assert rows(path, "SELECT message FROM t") == [("1",)]


MISSING = [
    ("none.db?table=t", "no such database"),
    ("x.db?table=u", "no table u"),
    ("x.db?table=t&column=z", "z"),
]


@pytest.mark.parametrize(("text", "told"), MISSING)
def test_what_is_missing_is_told(edges: Edges, tmp_path: Path, text: str, told: str) -> None:
    rows(tmp_path / "x.db", "CREATE TABLE t (a)")
    with pytest.raises(EdgeError, match=told) as caught:
        edges.source(f"sqlite:{tmp_path}/{text}")
    assert caught.value.code == "E_SOURCE_NOT_FOUND"


def test_a_file_that_is_no_database_is_told(edges: Edges, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("hello" * 1000)
    for open_one in (edges.source, edges.sink):
        with pytest.raises(EdgeError, match="not a database"):
            open_one(f"sqlite:{tmp_path / 'x.db'}?table=t")


def test_what_a_journal_takes_it_gives_back_and_goes_on(edges: Edges, tmp_path: Path) -> None:
    sink = edges.sink(f"journal:{tmp_path / 'j'}")
    messages = [b"%d" % number for number in range(500)] + [b""]
    sink.write([memoryview(message) for message in messages])
    sink.flush()
    text = f"journal:{tmp_path / 'j'}?follow=1&checkpoint={tmp_path / 'position'}"
    source = edges.source(text)
    assert take(source, 200, batch=200) == messages[:200]
    source.commit(source.checkpoint())
    edges.close(source)
    source = edges.source(text)
    assert take(source, 301) == messages[200:]
    sink.write([b"more"])
    assert take(source, 1) == [b"more"]
    plain = edges.source(f"journal:{tmp_path / 'j'}")
    assert len(plain.read(1000, 0)) == 502
    assert plain.read(1, 0) is None


def test_a_journal_has_one_writer(edges: Edges, tmp_path: Path) -> None:
    edges.sink(f"journal:{tmp_path / 'j'}")
    with pytest.raises(EdgeError, match="writer already") as caught:
        edges.sink(f"journal:{tmp_path / 'j'}")
    assert caught.value.code == "E_SINK_UNWRITABLE"


def test_a_record_that_no_segment_holds_is_set_aside(edges: Edges, tmp_path: Path, dead: DeadLetters) -> None:
    sink = edges.sink(f"journal:{tmp_path / 'j'}", dead)
    huge = b"x" * (1 << 24)
    sink.write([b"1", huge, b"2"])
    assert letters_in(dead) == [huge]
    with pytest.raises(EdgeError, match="no journal"):
        edges.source(f"journal:{tmp_path / 'none'}")
