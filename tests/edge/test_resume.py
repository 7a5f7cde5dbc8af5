"""A source goes on where another of the same name stopped: nothing lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge import parse_source
from byteor.edge.errors import EdgeError
from byteor.indexbus.journal_disk import DiskJournalWriter

COUNT = 50


def spellings(folder: Path) -> list[str]:
    """One source of each kind that keeps a position, each with the messages 0 to 49."""
    (folder / "lines").write_text("".join(f"{n}\n" for n in range(COUNT)))
    with DiskJournalWriter(str(folder / "journal")) as journal:
        for number in range(COUNT):
            journal.append(b"%d" % number)
    with apsw.Connection(str(folder / "rows.db")) as database:
        database.execute("CREATE TABLE m (text)")
        database.executemany("INSERT INTO m VALUES (?)", [(str(n),) for n in range(COUNT)])
    return [
        f"file:{folder / 'lines'}",
        f"file:{folder / 'lines'}?follow=1",
        f"journal:{folder / 'journal'}",
        f"sqlite:{folder / 'rows.db'}?table=m&column=text",
        f"generate:{COUNT},16",
    ]


def take(source: Any, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count and (messages := source.read(min(7, count - len(found)), 0.05)):
        found += [int(bytes(message)) for message in messages]
    return found


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return spellings(tmp_path_factory.mktemp("resume"))


@settings(max_examples=15, deadline=None)
@given(stops=st.lists(st.integers(0, 20), min_size=1, max_size=5), kind=st.integers(0, 4))
def test_whatever_the_stops_every_message_is_read_once(kinds: list[str], stops: list[int], kind: int) -> None:
    found: list[int] = []
    position: object = None
    for stop in [*stops, COUNT]:
        source: Any = parse_source(kinds[kind])
        if position is not None:
            source.resume(position)
        source.open()
        found += take(source, stop)
        position = source.checkpoint()
        source.close()
    assert found == list(range(COUNT))


@pytest.mark.parametrize("kind", range(5))
def test_a_position_of_another_kind_is_refused_in_words(kinds: list[str], kind: int) -> None:
    source: Any = parse_source(kinds[kind])
    with pytest.raises(EdgeError) as caught:
        source.resume(["nonsense"])
        source.open()
    source.close()
    assert caught.value.code in ("E_CHECKPOINT", "E_EDGE_ARGUMENT")


def test_a_rate_counts_from_where_the_source_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("byteor.edge.generate.time.sleep", slept.append)
    source: Any = parse_source("generate:0,16?rate=1000")
    source.resume(1_000_000)
    source.open()
    assert int(source.read(1, 60)[0]) == 1_000_000
    assert sum(slept) < 1
