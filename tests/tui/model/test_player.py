"""Going along a replay: records, differences, speed, and the stages as they were, from a real replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes import Scene

from byteor.acts import replays
from byteor.errors import ByteorError
from byteor_tui.glyphs import BLOCKS
from byteor_tui.model.player import Player
from byteor_tui.model.recorded import TRACE, Recorded, read_recorded
from byteor_tui.model.replays import Replay, read_replay
from byteor_tui.model.view import View
from byteor_tui.screens.replay_lines import detail, differing
from byteor_tui.tones import Line

SECOND = 1_000_000_000
START = 1_760_000_000 * SECOND
CODE = """
from byteor.runtime.stages import stage

@stage
def odd(message):
    return message if int(message[1:]) % 2 else None
"""
MESSAGES = [b"m%d" % n for n in range(100)]


@pytest.fixture
def made(private: Path) -> Replay:
    """A hundred messages in ten seconds, of which odd ones pass; 31 was recorded otherwise, 51 not at all."""
    outputs = [(n, b"x31" if n == 31 else b"m%d" % n) for n in range(1, 100, 2) if n != 51]
    (private / "state" / "capture").mkdir()
    scene = Scene(private, CODE, "identity", "odd")
    scene.record(
        MESSAGES, outputs, folder="state/capture/pipe-1", arrival_ns=lambda n: START + n * SECOND // 10
    )
    done = replays.replay_now(
        replays.ReplayRequest(which="pipe-1", trace=True, stage_modules=(str(scene.module),))
    )
    found = read_replay(done.audit_path)
    assert found is not None
    return found


@pytest.fixture
def player(made: Replay) -> Player:
    return Player(made, read_recorded(made))


def view_of(player: Player) -> View:
    return View(player.frame, 0, None, "", (), BLOCKS, 10, "", 0.0, player=player)


def test_it_begins_at_the_first_record_that_differs_with_both_payloads(player: Player) -> None:
    record = player.record
    assert (record.origin, record.payload) == (31, b"m31")
    (output,) = record.outputs
    assert (output.verdict, output.recorded, output.replayed) == ("data", b"x31", b"m31")
    player.move(1)
    assert player.record.outputs == () and player.record.payload == b"m32"
    player.move(1)
    assert player.record.outputs[0].verdict == "equal" and player.record.outputs[0].recorded == b"m33"


def test_the_next_difference_and_the_one_before(player: Player) -> None:
    assert player.to_difference(1) and player.record.origin == 51
    (output,) = player.record.outputs
    assert (output.verdict, output.recorded, output.replayed) == ("extra", None, b"m51")
    assert not player.to_difference(1) and player.record.origin == 51
    assert player.to_difference(-1) and player.record.origin == 31


def test_playing_goes_by_the_recordings_clock_and_stops_at_a_difference(player: Player) -> None:
    player.seek(START)
    player.step_speed(1)
    assert player.speed == 2
    player.play(0)
    player.tick(SECOND)
    assert player.at_unix_ns <= START + 2 * SECOND and 14 <= player.record.origin <= 20
    player.tick(5 * SECOND)
    assert player.record.origin == 31 and not player.playing
    player.play(0)
    player.tick(100 * SECOND)
    assert player.record.origin == 51 and not player.playing
    player.play(0)
    player.tick(100 * SECOND)
    assert player.index == 99 and not player.playing


def test_the_stages_are_as_they_were_when_the_record_came(player: Player) -> None:
    player.seek(START + 10 * SECOND)
    frame = player.frame
    assert frame is not None
    rows = {row.role + row.name: row for row in frame.rows}
    assert rows["stages1"].messages_in == 100
    assert (rows["stages1"].messages_out, rows["stages1"].filtered) == (50, 50)
    assert frame.messages_out == 50
    player.seek(START + SECOND)
    early = player.frame
    assert early is not None and 7 <= {row.name: row for row in early.rows}["s1"].messages_in <= 14
    assert frame.rate_per_s is not None and 3 <= frame.rate_per_s <= 7, "five outputs a recorded second"


def test_counts_to_the_cursor_are_exact_at_both_ends(player: Player) -> None:
    recorded = player.recorded
    at = recorded.index_of(60)
    assert (recorded.outputs_to(at), recorded.replayed_to(at), recorded.differing_to(at)) == (29, 30, 2)


def test_the_detail_says_record_stage_payloads_and_verdict(player: Player) -> None:
    lines: list[Line] = detail(player.replay, view_of(player), 100)
    text = "\n".join("".join(part for part, _ in line) for line in lines)
    for words in (
        "record 31",
        "(0 .. 99)",
        "2 differ",
        "difference 1 of 2",
        "x31",
        "m31",
        "! s1",
        "no certificate",
    ):
        assert words in text, text


@pytest.mark.parametrize(
    "text", ["{", '{"points":[[1,"x",[[1]]]],"workers":[{"name":"a","role":"b","key":""}]}']
)
def test_a_damaged_trace_is_refused_in_one_sentence(made: Replay, text: str) -> None:
    Path(made.path).with_name(TRACE).write_text(text)
    with pytest.raises(ByteorError) as caught:
        read_recorded(made)
    assert caught.value.code == "E_REPLAY_TRACE"


def test_without_a_trace_the_records_are_there_and_the_stages_are_not(made: Replay) -> None:
    Path(made.path).with_name(TRACE).unlink()
    recorded: Recorded = read_recorded(made)
    assert len(recorded) == 100 and recorded.frames == () and recorded.at(5).payload == b"m5"


def test_fields_of_a_payload_are_compared_by_path() -> None:
    assert differing('{"a":{"b":1}}', '{"a":{"b":2}}') == [("a.b", "1", "2")]
