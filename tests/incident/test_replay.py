"""A replay says equal when nothing changed, and names what did when something did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import Scene

from byteor.incident.capture import Capture
from byteor.incident.errors import IncidentError
from byteor.incident.frames import Batch, Frame, egress_frame, read_frame
from byteor.incident.recording import open_capture
from byteor.incident.replay.compare import Compared, Comparison
from byteor.incident.replay.inputs import Range

CODE = """
import os
import time
from byteor.runtime.stages import batch_stage, stage

@stage
def upper(message):
    return message.upper()

@stage
def odd(message):
    return message if int(message[1:]) % 2 else None

@batch_stage()
def number(messages):
    global seen
    out = []
    for message in messages:
        seen += 1
        out.append(b"%d:" % seen + bytes(message))
    return out

seen = 0

@stage
def fails_at_50(message):
    if message == b"m50":
        raise ValueError("fifty")
    return message

@stage
def fails_late(message):
    if message == b"m9":
        time.sleep(0.1)  # the feeder has closed its lane by now
        raise ValueError("nine")
    return message

@stage
def never_returns(message):
    while message == b"m3":
        pass
    return message

@stage
def random_bytes(message):
    return os.urandom(4)

@stage
def leaves(message):
    os._exit(3)

@stage(kind="seeded")
def dice(message, context):
    return b"%d" % context.random.randrange(6)

@stage(kind="clocked")
def stamp(message, context):
    return b"%d" % context.now_ns()

@stage(kind="external")
def acts(message):
    raise SystemExit("it acted")
"""
MESSAGES = [b"m%d" % n for n in range(100)]


def test_an_unchanged_pipeline_replays_equal(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "upper", "odd", "identity")
    expected = [(n, b"M%d" % n) for n in range(1, 100, 2)]
    scene = Scene(tmp_path, CODE.replace("message[1:]", "message[1:]"), "upper", "odd", "identity")
    done = scene.replay(scene.record(MESSAGES, expected))
    assert (done.counts.equal, done.diverged, done.first, done.inputs) == (50, False, None, 100)
    assert done.from_start


@pytest.mark.parametrize("digests", [False, True])
def test_a_changed_output_is_told_with_input_and_bytes(tmp_path: Path, digests: bool) -> None:
    scene = Scene(tmp_path, CODE, "upper")
    rows = [(n, b"M%d" % n) for n in range(100)]
    rows[40] = (40, b"X40")
    done = scene.replay(scene.record(MESSAGES, rows, digests=digests))
    assert (done.counts.equal, done.counts.data) == (99, 1)
    assert done.first is not None
    assert (done.first.input, done.first.difference.actual, done.first.last_equal) == (b"m40", b"M40", 39)
    assert (done.first.difference.origin, done.first.difference.digest) == (40, digests)
    assert done.first.stage == "s0"
    if not digests:
        assert done.first.difference.expected == b"X40"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda rows: rows[:10] + rows[11:], "extra"),
        (lambda rows: [*rows[:10], (10, b"again"), *rows[10:]], "missing"),
        (lambda rows: [*rows[:10], rows[11], rows[10], *rows[12:]], "order"),
        (lambda rows: [*rows, (99, b"more")], "missing"),
    ],
)
def test_each_kind_of_difference_is_told_by_its_name(tmp_path: Path, change: object, verdict: str) -> None:
    scene = Scene(tmp_path, CODE, "upper")
    rows = change([(n, b"M%d" % n) for n in range(100)])  # type: ignore[operator]
    done = scene.replay(scene.record(MESSAGES, rows))
    assert getattr(done.counts, verdict) == 1
    assert done.diverged


def test_a_pass_leaves_nothing_behind_for_the_next(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "number")
    recording = scene.record(MESSAGES, [(n, b"%d:m%d" % (n + 1, n)) for n in range(100)])
    assert not scene.replay(recording).diverged
    assert not scene.replay(recording, batch=3).diverged


def test_a_part_from_the_middle_is_told_as_such_whatever_the_kind_of_its_stages(tmp_path: Path) -> None:
    """``number`` is declared pure, and counts."""
    scene = Scene(tmp_path, CODE, "number")
    recording = scene.record(MESSAGES, [(n, b"%d:m%d" % (n + 1, n)) for n in range(100)])
    part = scene.replay(recording, range=Range(newest=30))
    assert (part.from_start, part.counts.equal, part.counts.data) == (False, 0, 30)
    until = scene.replay(recording, range=Range(last=69))
    assert (until.from_start, until.counts.equal, until.diverged) == (True, 70, False)


def test_a_stage_that_fails_fails_again_and_what_came_before_is_compared(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "identity", "fails_at_50")
    recording = scene.record(MESSAGES, [(n, b"m%d" % n) for n in range(44)], finished=False)
    done = scene.replay(recording)
    assert done.failure is not None
    assert (done.failure.stage, done.failure.code, done.failed_at) == ("s1", "E_STAGE_RAISED", 50)
    assert (done.counts.equal, done.counts.beyond, done.diverged) == (44, 6, False)


def test_a_stage_that_fails_only_now_keeps_outputs_from_coming(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "identity", "fails_at_50")
    done = scene.replay(scene.record(MESSAGES, [(n, b"m%d" % n) for n in range(100)]))
    assert (done.failed_at, done.counts.equal, done.counts.missing) == (50, 50, 50)
    assert done.first is not None
    assert (done.first.difference.origin, done.first.difference.verdict) == (50, "missing")
    assert done.differing == tuple(range(50, 100))


def test_a_stage_that_fails_after_the_last_input_was_fed_ends_the_pass(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "identity", "fails_late")
    done = scene.replay(scene.record(MESSAGES[:12], [(n, b"m%d" % n) for n in range(9)], finished=False))
    assert (done.failed_at, done.counts.equal, done.diverged) == (9, 9, False)


def test_a_stage_that_never_returns_ends_the_replay_with_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path / "shm"))
    scene = Scene(tmp_path, CODE, "identity", "never_returns")
    with pytest.raises(IncidentError) as caught:
        scene.replay(scene.record(MESSAGES, []), stall_s=1.0)
    assert caught.value.code == "E_REPLAY_STALLED"
    assert "s1 3" in caught.value.message
    assert list((tmp_path / "shm" / f"byteor-{os.geteuid()}").iterdir()) == []


def test_a_slow_pace_is_no_stall(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "upper")
    recording = scene.record(MESSAGES[:3], [(n, b"M%d" % n) for n in range(3)], batch=1)
    assert not scene.replay(recording, rate=2.0, stall_s=0.4).diverged


def test_what_could_not_be_recorded_is_no_divergence(tmp_path: Path) -> None:
    """Best-effort capture lost the inputs 30 to 59 and the outputs 40 to 69."""
    scene = Scene(tmp_path, CODE, "upper")
    capture = Capture(tmp_path / "capture", scene.facts(), scene.spec.canonical)
    for first in range(0, 100, 10):
        if not 30 <= first < 60:
            capture.ingress(0, 0, first, 1, MESSAGES[first : first + 10])
    kept = [*range(40), *range(70, 100)]
    capture.egress(0, *Batch.of(kept, [0] * len(kept), [b"M%d" % n for n in kept]))
    capture.note({"lost": 60})
    capture.note({"state": "finished"})
    capture.close()
    done = scene.replay(open_capture(tmp_path / "capture"))
    assert (done.counts.equal, done.counts.beyond, done.diverged) == (60, 10, False)


def test_a_rate_holds_within_a_recorded_batch_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "upper")
    recording = scene.record(MESSAGES[:9], [(n, b"M%d" % n) for n in range(9)], batch=9)
    done = scene.replay(recording, rate=20.0)
    assert not done.diverged
    assert done.duration_ns >= 8 * 50_000_000  # at no rate it takes a few milliseconds


def test_a_range_replays_only_its_part(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "upper")
    recording = scene.record(MESSAGES, [(n, b"M%d" % n) for n in range(100)])
    for wanted, count in (
        (Range(first=10, last=19), 10),
        (Range(newest=5), 5),
        (Range(first=95), 5),
        (Range(only=frozenset({3, 50, 51, 99})), 4),
    ):
        done = scene.replay(recording, range=wanted)
        assert (done.inputs, done.counts.equal, done.diverged) == (count, count, False)
    with pytest.raises(IncidentError) as caught:
        scene.replay(recording, range=Range(first=100))
    assert caught.value.code == "E_REPLAY_INPUT"


def test_until_divergence_stops_at_the_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "random_bytes", capacity=16)
    many = [b"m%d" % n for n in range(20_000)]
    recording = scene.record(many, [(n, b"four") for n in range(20_000)], batch=256)
    done = scene.replay(recording, until_divergence=True, batch=16)
    assert done.first is not None
    assert done.first.difference.origin == 0
    assert done.counts.data < 10_000


def test_seed_and_time_come_from_the_recording(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "stamp")
    recording = scene.record(MESSAGES, [(n, b"%d" % (1_000 + n // 7 * 7)) for n in range(100)])
    assert not scene.replay(recording).diverged
    (tmp_path / "b").mkdir()
    other = Scene(tmp_path / "b", CODE, "dice")
    first = other.replay(other.record(MESSAGES, []))
    assert first.counts.extra == 100
    assert other.replay(other.record(MESSAGES, [], folder="again")).first == first.first


def test_a_dry_run_replaces_what_would_act(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "acts", "upper")
    done = scene.replay(scene.record(MESSAGES, [(n, b"M%d" % n) for n in range(100)]))
    assert not done.diverged
    assert [(act.stage, act.decision, act.messages) for act in done.acts] == [("s0", "replaced", 100)]


def test_a_stage_that_ends_its_process_ends_only_the_pass(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CODE, "leaves")
    with pytest.raises(IncidentError) as caught:
        scene.replay(scene.record(MESSAGES, []))
    assert caught.value.code == "E_REPLAY_DIED"


def test_no_region_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path / "shm"))
    scene = Scene(tmp_path, CODE, "upper")
    scene.replay(scene.record(MESSAGES, []))
    assert list((tmp_path / "shm" / f"byteor-{os.geteuid()}").iterdir()) == []
    (tmp_path / "b").mkdir()
    leaving = Scene(tmp_path / "b", CODE, "leaves")
    with pytest.raises(IncidentError, match="process of the replay"):
        leaving.replay(leaving.record(MESSAGES, []))
    assert list((tmp_path / "shm" / f"byteor-{os.geteuid()}").iterdir()) == []


# -- the comparison itself, against a plain one


def batch_of(rows: list[tuple[int, bytes]]) -> Batch:
    return Batch.of([o for o, _ in rows], [0] * len(rows), [p for _, p in rows])


def compared(expected: list[tuple[int, bytes]], actual: list[tuple[int, bytes]], batch: int) -> Compared:
    def framed(rows: list[tuple[int, bytes]]) -> list[Frame]:
        return [
            read_frame(egress_frame(0, batch_of(part), 0))
            for part in (rows[at : at + 3] for at in range(0, len(rows), 3))
        ]

    comparison = Comparison(0, framed(expected))
    for at in range(0, len(actual), batch):
        part = actual[at : at + batch]
        comparison.feed(batch_of(part))
    return comparison.finish()


ROWS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([b"", b"a", b"b"])), max_size=12)


@settings(max_examples=40)
@given(ROWS, ROWS, st.integers(1, 5))
def test_counts_add_up_and_do_not_depend_on_batches(
    expected: list[tuple[int, bytes]], actual: list[tuple[int, bytes]], batch: int
) -> None:
    counts = compared(expected, actual, batch).counts
    assert counts.equal + counts.data + counts.order + counts.missing == len(expected)
    assert counts.equal + counts.data + counts.order + counts.extra == len(actual)
    assert counts == compared(expected, actual, 100).counts
    assert (expected == actual) == (not counts.diverged)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 5))
def test_the_same_is_equal(rows: list[tuple[int, bytes]], batch: int) -> None:
    done = compared(rows, rows, batch)
    assert (done.counts.equal, done.counts.diverged, done.first) == (len(rows), False, None)


def test_one_lost_message_does_not_make_all_behind_it_differ() -> None:
    rows = [(n, b"%d" % n) for n in range(1_000)]
    counts = compared(rows, rows[:500] + rows[501:], 64).counts
    assert (counts.equal, counts.missing, counts.data, counts.order, counts.extra) == (999, 1, 0, 0, 0)


def test_one_message_that_moved_is_the_only_one_out_of_order() -> None:
    rows = [(n, b"%d" % n) for n in range(1_000)]
    moved = [*rows[1:700], rows[0], *rows[700:]]
    counts = compared(rows, moved, 64).counts
    assert (counts.equal, counts.order) == (999, 1)
