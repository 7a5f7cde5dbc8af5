"""A snapshot on the screens of a run; lanes of a graph; figures against the pinned moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from byteor.acts.snapshot import snapshot
from byteor.errors import ByteorError
from byteor.runtime.sample import LaneSample
from byteor_tui.glyphs import BLOCKS
from byteor_tui.model.history import History
from byteor_tui.model.runs import find_run, find_snapshots, open_source
from byteor_tui.model.snapshots import read_snapshot
from byteor_tui.screens import delta
from byteor_tui.screens import stage_columns as columns


def test_a_snapshot_of_a_live_run_opens_like_the_run(live: Any, private: Path) -> None:
    folder = private / "state" / "snapshots"
    folder.mkdir()
    taken = snapshot(live.run.run_id, folder / f"{live.run.run_id}.x.snapshot.json")
    (found,) = find_snapshots()
    assert found.kind == "snapshot" and found.name == live.run.name
    assert find_run(str(taken.path)).folder == found.folder
    frame = History().fold(open_source(found).sample())
    running = History().fold(open_source(live.run).sample())
    assert [row.name for row in frame.rows] == [row.name for row in running.rows]
    assert frame.spec_hash == running.spec_hash and frame.rings[0].capacity == running.rings[0].capacity
    assert all(row.messages_in + row.messages_out for row in frame.rows)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema":"byteor.snapshot/v1"}', '{"schema":"x"}', "\x00"]
)
def test_a_file_that_is_no_snapshot_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.snapshot.json"
    path.write_text(text)
    with pytest.raises(ByteorError) as caught:
        read_snapshot(path)
    assert caught.value.code == "E_SNAPSHOT"


def test_any_field_of_another_kind_is_refused_or_read(live: Any, private: Path) -> None:
    taken = json.loads(snapshot(live.run.run_id).document)
    path = private / "a.snapshot.json"
    for name in taken:
        for value in (None, 7, "x", [], {}, [1], {"a": 1}):
            path.write_text(json.dumps({**taken, name: value}))
            try:
                History().fold(read_snapshot(path))
            except ByteorError as error:
                assert error.code == "E_SNAPSHOT"


def test_lanes_of_a_graph_stand_where_rings_do_with_who_gates_and_what_was_dropped(sample: Any) -> None:
    lane = LaneSample(
        "journal.in", "events", "/x", 1024, 256, 5000, 1000, 1010, (("slow", 4000), ("quick", 5000)),
        7, 7, 0, 0, 0, 0, "open",
    )  # fmt: skip
    frame = History().fold(msgspec.structs.replace(sample(1.0), rings=(), lanes=(lane,)))
    (found,) = frame.rings
    assert (found.name, found.kind, found.slowest, found.in_flight, found.dropped) == (
        "journal.in", "events", "slow", 1000, 7,
    )  # fmt: skip


def test_every_figure_says_its_difference_from_the_pinned_moment(sample: Any) -> None:
    history = History()
    for tick in range(30):
        then = history.fold(sample(tick / 10, rate=1000.0))
    for tick in range(60):
        now = history.fold(sample(3 + tick / 10, rate=2000.0))
    row = delta.noted(now.rows[1], then)
    assert row.against[0] == "+100 %" and row.against[1] == row.against[3] == "="
    placed = columns.place(116, 10, True)
    text = "".join(part for part, _ in columns.row_line(row, placed, 116, BLOCKS, selected=False))
    assert "2.00k   +100 %" in text, text
    head = "".join(part for part, _ in columns.header_line(placed, 116, "flow"))
    assert head.count("-A") >= 5
    assert delta.of_run(now, then)[0] == "+100 %"
