"""What a capture recorded is read back, batch by batch, within its room, and torn tails end the reading."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import Scene

from byteor.incident.capture import Capture, CaptureSettings, retained_from
from byteor.incident.errors import IncidentError
from byteor.incident.frames import (
    EGRESS,
    INGRESS,
    NOTE,
    Batch,
    egress_frame,
    ingress_frame,
    read_frame,
)
from byteor.incident.recording import (
    captures,
    find_capture,
    frames,
    frames_of_segments,
    open_capture,
    pack_segment,
    prune,
    sound_part,
)
from byteor.incident.replay.inputs import extent, note_of
from byteor.incident.select import Selection, parse_where, selected
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_disk import segments

U64 = st.integers(0, 2**64 - 2**20)
PAYLOADS = st.lists(st.binary(max_size=40), min_size=1, max_size=30)


@settings(max_examples=40)
@given(PAYLOADS, U64, st.integers(0, 65535), st.integers(0, 65535), st.integers(-(2**62), 2**62))
def test_an_ingress_frame_says_what_came(
    messages: list[bytes], first: int, ingress: int, shard: int, at_ns: int
) -> None:
    frame = read_frame(ingress_frame(ingress, shard, first, at_ns, messages))
    assert (frame.kind, frame.endpoint, frame.shard, frame.at_ns) == (INGRESS, ingress, shard, at_ns)
    assert list(frame.origins) == list(range(first, first + len(messages)))
    assert frame.payloads() == messages


@settings(max_examples=40)
@given(
    st.lists(st.tuples(U64, st.integers(0, 65535), st.binary(max_size=40)), min_size=1, max_size=30),
    st.booleans(),
)
def test_an_egress_frame_says_what_left(rows: list[tuple[int, int, bytes]], digests: bool) -> None:
    origins, ingresses, messages = (list(column) for column in zip(*rows, strict=True))
    frame = read_frame(egress_frame(3, Batch.of(origins, ingresses, messages), 9, digests=digests))
    assert (frame.kind, frame.endpoint, frame.at_ns, frame.digests) == (EGRESS, 3, 9, digests)
    assert list(frame.origins) == origins
    assert list(frame.ingresses) == ingresses
    assert list(frame.lengths) == [len(message) for message in messages]
    if not digests:
        assert frame.payloads() == messages


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_what_is_no_frame_is_refused_and_never_read_beyond(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except IncidentError as error:
        assert error.code == "E_CAPTURE_FRAME"
    else:
        assert frame.kind in (INGRESS, EGRESS, NOTE)


def test_every_cut_frame_is_refused() -> None:
    whole = egress_frame(0, Batch.of([5, 9, 5], [0, 1, 0], [b"a", b"bb", b""]), 1)
    for size in range(len(whole)):
        with pytest.raises(IncidentError):
            read_frame(whole[:size])
    with pytest.raises(IncidentError):
        read_frame(whole + b"x")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, "", "identity")


def test_a_capture_gives_back_what_it_was_given(scene: Scene) -> None:
    messages = [b"m%d" % n for n in range(100)]
    recording = scene.record(messages, enumerate(messages), batch=9)
    found = [frame for _, frame in recording.read()]
    assert [p for f in found if f.kind == INGRESS for p in f.payloads()] == messages
    assert [p for f in found if f.kind == EGRESS for p in f.payloads()] == messages
    assert recording.spec == scene.spec.canonical


def test_a_large_batch_is_recorded_in_portions_and_nothing_is_lost(scene: Scene) -> None:
    messages = [os.urandom(300_000) for _ in range(12)]
    recording = scene.record(messages, [], batch=12)
    found = [frame for _, frame in recording.read() if frame.kind == INGRESS]
    assert len(found) > 2
    assert [p for f in found for p in f.payloads()] == messages
    assert [o for f in found for o in f.origins] == list(range(12))


def test_a_capture_that_outgrows_its_first_segment_goes_on(tmp_path: Path, scene: Scene) -> None:
    settings = CaptureSettings(first_segment_bytes=1 << 16, segment_bytes=1 << 18)
    capture = Capture(tmp_path / "c", scene.facts(), b"", settings)
    for batch in range(300):
        capture.ingress(0, 0, batch * 10, 1, [bytes([batch % 256]) * 100] * 10)
    capture.close()
    found = [frame for _, frame in frames(tmp_path / "c" / "journal")]
    assert [frame.origins[0] for frame in found] == list(range(0, 3_000, 10))
    assert len(segments(tmp_path / "c" / "journal")) > 1


def test_a_torn_tail_ends_the_reading_without_a_word(tmp_path: Path, scene: Scene) -> None:
    recording = scene.record([b"x" * 50] * 70, [], finished=False)
    _, path = segments(tmp_path / "capture" / "journal")[-1]
    places = [at for at, _ in recording.read()]
    data = bytearray(path.read_bytes())
    data[64 + places[-1] + 4] = 0  # the last record was never committed
    path.write_bytes(data)
    assert [at for at, _ in recording.read()] == places[:-1]


@pytest.mark.parametrize(
    ("held", "cut"),
    [
        ([], None),
        ([(0, 10, 100.0)], None),
        ([(0, 10, 0.0), (10, 10, 0.0)], 10),  # too old, but the newest stays
        ([(0, 10, 100.0), (10, 10, 100.0), (20, 10, 100.0)], 10),  # 30 bytes where 25 may be
        ([(0, 100, 100.0), (100, 100, 100.0), (200, 100, 100.0)], 200),
        ([(5, 10, 100.0), (15, 10, 100.0)], None),
    ],
)
def test_the_oldest_whole_segment_goes_first(held: list[tuple[int, int, float]], cut: int | None) -> None:
    assert retained_from(held, CaptureSettings(max_bytes=25, max_age_s=50), 120.0) == cut


def test_a_full_disk_stops_the_run_or_is_counted(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    small = {"first_segment_bytes": 1 << 16, "segment_bytes": 1 << 16}
    strict = Capture(tmp_path / "a", scene.facts(), b"", CaptureSettings(**small))  # type: ignore[arg-type]
    lenient = Capture(
        tmp_path / "b",
        scene.facts(),
        b"",
        CaptureSettings(mode="best-effort", **small),  # type: ignore[arg-type]
    )
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(IncidentError) as caught:
        for n in range(1_000):
            strict.ingress(0, 0, n, 1, [b"x" * 1_000])
    assert caught.value.code == "E_CAPTURE_SPACE"
    for n in range(200):
        lenient.ingress(0, 0, n, 1, [b"x" * 1_000])
    assert 0 < lenient.lost < 200
    monkeypatch.undo()
    lenient._retry_at = 0.0
    lenient.ingress(0, 0, 200, 1, [b"last"])
    strict.close()
    lenient.close()
    found = [frame for _, frame in frames(tmp_path / "b" / "journal")]
    recorded = sum(frame.count for frame in found)
    noted = [frame.body for frame in found if frame.kind == NOTE]
    assert recorded + lenient.lost == 201
    assert noted == [b'{"lost":%d}' % lenient.lost]


def test_what_the_disk_had_no_room_to_note_is_known_all_the_same(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    small = CaptureSettings(mode="best-effort", first_segment_bytes=1 << 16, segment_bytes=1 << 16)
    capture = Capture(tmp_path / "b", scene.facts(), scene.spec.canonical, small)
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    for n in range(200):
        capture.ingress(0, 0, n, 1, [b"x" * 1_000])
    capture.note({"state": "finished"})
    capture.close()
    found = extent(open_capture(tmp_path / "b"))
    assert 0 < found.lost == capture.lost
    assert (found.inputs + found.lost, found.state) == (200, "finished")


def test_captures_are_found_by_id_name_and_path_and_pruned_oldest_first(tmp_path: Path, scene: Scene) -> None:
    root = tmp_path / "all"
    root.mkdir()
    for n in range(3):
        facts = scene.facts(run_id=f"pipe-{n}")
        facts = type(facts)(
            **{**{f: getattr(facts, f) for f in facts.__struct_fields__}, "started_unix_ns": n + 1}
        )
        Capture(root / f"pipe-{n}", facts, b"spec").close()
    assert [facts.run_id for _, facts in captures(root)] == ["pipe-2", "pipe-1", "pipe-0"]
    assert find_capture("pipe", root).facts.run_id == "pipe-2"
    assert find_capture("pipe-1", root).facts.run_id == "pipe-1"
    assert find_capture(str(root / "pipe-0"), root).facts.run_id == "pipe-0"
    with pytest.raises(IncidentError) as caught:
        find_capture("other", root)
    assert caught.value.code == "E_CAPTURE_MISSING"
    assert prune(root, 5 << 20, 1e12, 0.0, frozenset({"pipe-0"})) == ["pipe-1", "pipe-2"]
    assert [facts.run_id for _, facts in captures(root)] == ["pipe-0"]


def test_a_packed_segment_reads_like_the_journal(scene: Scene) -> None:
    records = [ingress_frame(0, 0, n, n, [b"x" * n]) for n in range(50)]
    data = pack_segment(0, 7, records)
    assert [frame.at_ns for _, frame in frames_of_segments([data])] == list(range(50))


def test_selection_takes_what_it_says(scene: Scene) -> None:
    messages = [b'{"n":%d,"a":{"b":[%d]}}' % (n, n % 3) for n in range(50)]
    recording = scene.record(messages, enumerate(messages))

    def origins(**wanted: object) -> list[int]:
        selection = Selection(direction="in", **wanted)  # type: ignore[arg-type]
        return [record.origin for record in selected((f for _, f in recording.read()), selection)]

    assert origins(first=10, last=12) == [10, 11, 12]
    assert origins(since_ns=1_049) == [49]
    assert origins(min_bytes=22) == list(range(10, 50))
    assert origins(where=(parse_where("/n=7"),)) == [7]
    assert origins(where=(parse_where("/a/b/0=2"), parse_where("/n")))[:3] == [2, 5, 8]
    assert origins(where=(parse_where("/a/b/1"),)) == []
    assert origins(where=(parse_where("/n=true"),)) == []


def test_a_part_of_a_batch_is_what_it_says() -> None:
    batch = Batch.of([7, 8, 9], [0, 1, 2], [b"a", b"", b"ccc"])
    assert batch.part(1, 3) == Batch.of([8, 9], [1, 2], [b"", b"ccc"])
    assert batch.messages() == [b"a", b"", b"ccc"]
    assert batch.part(1, 1).size == 0


def test_no_capture_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(IncidentError) as caught:
        open_capture(tmp_path)
    assert caught.value.code == "E_CAPTURE_MISSING"


def test_what_lies_before_damage_can_still_be_cut_out(tmp_path: Path, scene: Scene) -> None:
    messages = [b"message %d" % n for n in range(100)]
    recording = scene.record(messages, enumerate(messages), batch=10)
    (path,) = (path for _, path in segments(Path(recording.place) / "journal"))
    data = bytearray(path.read_bytes())
    data[data.index(b"message 42")] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexBusError, match="checksum") as caught:
        list(recording.read())
    assert (caught.value.code, caught.value.hint) == (
        "E_CORRUPT",
        "byteor journal slice --sound -o FOLDER keeps what lies before it",
    )
    kept = [frame for _, frame in sound_part(recording).read() if frame.kind == INGRESS]
    assert [p for frame in kept for p in frame.payloads()] == messages[:40]


def test_turns_stand_in_the_order_in_which_they_were_asked_for(tmp_path: Path, scene: Scene) -> None:
    capture = Capture(tmp_path / "c", scene.facts(), scene.spec.canonical, CaptureSettings())
    asked, asked_again = threading.Event(), threading.Event()
    given = iter([(0, 1), (1, 1)])

    def ask() -> tuple[int, ...]:
        turns = next(given, ())
        if turns and turns[0] == 0:
            asked.set()
            asked_again.wait(0.2)  # as long as somebody else gets in between, where that is possible
        elif turns:
            asked_again.set()
        return turns

    capture.ask(7, 0, ask)
    first = threading.Thread(target=capture.note, args=({"note": "first"},))
    first.start()
    asked.wait()
    capture.note({"note": "second"})
    first.join()
    capture.close()
    noted = [note_of(frame) for _, frame in open_capture(tmp_path / "c").read() if frame.kind == NOTE]
    assert [turn for one in noted if one.get("turns") == 7 for turn in one["runs"]] == [0, 1, 1, 1]
