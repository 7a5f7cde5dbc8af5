"""The ring's roles and calls, on each kernel."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from byteor.indexbus import End, IndexBusError, MetricsRegion, SequencedSlots, Wait


def code_of(call: Any) -> str:
    with pytest.raises(IndexBusError) as caught:
        call()
    return caught.value.code


@pytest.fixture
def ring(shm: Path, kernel_name: str) -> SequencedSlots:
    return SequencedSlots.create(shm / "ring", capacity=8, slot_bytes=32, gates=1, kernel=kernel_name)


def test_a_role_is_taken_once_and_free_again_after_close(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    other = SequencedSlots.open(ring.region.path)
    assert code_of(ring.producer) == code_of(other.producer) == "E_ROLE_TAKEN"
    assert code_of(lambda: other.stage(0)) == "E_ROLE_TAKEN"
    assert [peer.state for peer in other.peers()][:2] == ["alive", "alive"]
    producer.close()
    producer.close()
    assert code_of(lambda: producer.publish(b"x")) == "E_CLOSED"
    other.producer().close()
    stage.close()
    assert {peer.state for peer in other.peers()} == {"absent"}


@pytest.mark.parametrize(
    "take",
    [
        lambda ring: ring.stage(2),
        lambda ring: ring.stage(0, after=(0,)),
        lambda ring: ring.stage(0, after=(1,)),
        lambda ring: ring.egress(after=(0,)),
    ],
)
def test_roles_that_make_no_sense_are_refused(shm: Path, take: Any) -> None:
    ring = SequencedSlots.create(shm / "ring", capacity=8, slot_bytes=32, gates=2, egress=(1,))
    assert code_of(lambda: take(ring)) == "E_ROLE"


def test_an_oversize_message_names_index_and_length_and_publishes_nothing(ring: SequencedSlots) -> None:
    producer = ring.producer()
    with pytest.raises(IndexBusError) as caught:
        producer.publish_many([b"a", b"b", b"c" * 33, b"d"])
    assert caught.value.code == "E_OVERSIZE"
    assert caught.value.fields == {"index": 2, "length": 33, "limit": 32}
    assert code_of(lambda: producer.publish(b"x" * 33)) == "E_OVERSIZE"
    assert code_of(lambda: producer.publish_buffer(bytes(66), 33)) == "E_OVERSIZE"
    assert ring.cursor == 0
    assert producer.publish(b"x" * 32)


def test_every_kind_of_bytes_can_be_published(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    assert producer.publish_many([b"a", bytearray(b"b"), memoryview(b"cc")]) == 3
    assert producer.publish(memoryview(b"-d-")[1:2], ingress=7, origin=99)
    assert producer.publish_buffer(b"efgh", 2, 5) == 2
    assert stage.peek(8) == 6
    assert [stage.payload(i) for i in range(6)] == [b"a", b"b", b"cc", b"d", b"ef", b"gh"]
    assert stage.describe(0)[2:] == (0, 0)
    assert stage.describe(3)[2:] == (7, 99)
    assert stage.describe(5)[2:] == (5, 5)
    for wrong in ("text", 5, None):
        with pytest.raises(TypeError):
            producer.publish(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            producer.publish_many([b"ok", wrong])  # type: ignore[list-item]
    assert ring.cursor == 6


def test_a_batch_is_changed_in_place_and_filtered(shm: Path, kernel_name: str) -> None:
    ring = SequencedSlots.create(
        shm / "ring", capacity=8, slot_bytes=32, gates=2, egress=(1,), kernel=kernel_name
    )
    producer, first, second, egress = ring.producer(), ring.stage(0), ring.stage(1, (0,)), ring.egress()
    producer.publish_many([b"one", b"two", b"three", b"four"])
    assert second.peek(8, 0) == 0, "it waits for the first stage, not for the producer"
    assert first.peek(8) == 4
    first.view(0)[:] = b"ONE"
    first.write(1, b"a longer one")
    first.filter(2)
    room = first.room(3)
    room[:2] = b"4!"
    first.set_length(3, 2)
    assert code_of(lambda: first.write(0, b"x" * 33)) == "E_OVERSIZE"
    assert code_of(lambda: first.set_length(0, 33)) == "E_OVERSIZE"
    first.advance(4)
    assert second.peek(8) == 4
    assert [bytes(view) for view in second.views()] == [b"ONE", b"a longer one", b"4!"]
    assert egress.receive(0) is None
    second.advance(4)
    assert ring.finished == (4, 4)
    assert ring.gating == (4, 0), "the egress has not released the terminal stage's gate"
    assert egress.receive_many(8) == [b"ONE", b"a longer one", b"4!"]
    assert egress.filtered == 1
    assert ring.gating == (4, 4)


def test_a_slot_that_is_used_again_carries_nothing_of_its_last_message(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    for publish in (
        lambda: producer.publish(b"x" * 32, ingress=9),
        lambda: producer.publish_many([b"y" * 31]),
        lambda: producer.publish_buffer(b"z" * 30, 30),
    ):
        for _ in range(8):
            publish()
            stage.peek(1)
            stage.filter(0)
            stage.advance(1)
        for _ in range(8):
            assert producer.publish_many([b"new"]) == 1
            assert stage.receive(0) == b"new"
            assert stage.ended.name == "OK"
    assert stage.filtered == 0


def test_a_view_cannot_outlive_its_batch(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_many([b"abcd"] * 3)
    stage.peek(3)
    view = stage.view(0)
    part = view[1:3]
    assert code_of(lambda: stage.advance(1)) == "E_VIEW_HELD"
    assert ring.gating == (0,), "nothing was released"
    part.release()
    stage.advance(1)
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    with pytest.raises(IndexError):
        stage.view(2)


def test_closing_ends_views_and_an_error_in_the_block_stays_the_error(ring: SequencedSlots) -> None:
    ring.producer().publish(b"abcd")
    stage = ring.stage(0)
    stage.peek(1)
    view = stage.view(0)
    stage.close()
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    held: list[memoryview] = []
    with pytest.raises(ZeroDivisionError), ring.stage(0) as stage:
        stage.peek(1)
        held.append(stage.view(0)[:2])
        raise ZeroDivisionError
    ring.stage(0).close()


def test_numpy_sees_payloads_in_place(ring: SequencedSlots) -> None:
    numpy = pytest.importorskip("numpy")
    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_many([i.to_bytes(8, "little") for i in range(5)])
    stage.peek(8)
    array = stage.array("<u8")
    assert array.tolist() == [0, 1, 2, 3, 4]
    array *= 10
    assert code_of(lambda: stage.advance(5)) == "E_VIEW_HELD"
    del array
    assert numpy is not None
    assert [int.from_bytes(stage.payload(i), "little") for i in range(5)] == [0, 10, 20, 30, 40]
    stage.advance(5)


def test_receive_into_copies_equal_records_and_refuses_odd_ones(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_buffer(b"aabbcc", 2)
    producer.publish(b"odd")
    out = bytearray(16)
    assert stage.receive_into(out, 2) == 3
    assert out[:6] == b"aabbcc"
    assert code_of(lambda: stage.receive_into(out, 2)) == "E_VALUE"
    assert stage.receive() == b"odd"


def test_closing_lets_consumers_finish_and_aborting_does_not(shm: Path, kernel_name: str) -> None:
    for name, end in (("closed", End.FINISHED), ("aborted", End.ABORTED)):
        ring = SequencedSlots.create(shm / name, capacity=8, slot_bytes=32, kernel=kernel_name)
        producer, stage = ring.producer(), ring.stage(0)
        producer.publish_many([b"a", b"b"])
        if name == "closed":
            producer.close_stream()
            assert stage.receive_many(8) == [b"a", b"b"]
        else:
            stage.abort(reason=42)
            assert ring.aborted is not None
            assert (ring.aborted.role, ring.aborted.reason) == (1, 42)
            ring.abort(reason=43)
            assert ring.aborted.reason == 42, "the first to abort is the cause"
        assert stage.receive_many(8) == []
        assert stage.ended == end
        assert ring.state == name
        assert producer.publish(b"c") is False
        assert producer.publish_many([b"c"]) == 0
        assert producer.ended == end


@pytest.mark.parametrize("wait", list(Wait), ids=lambda w: w.name.lower())
@pytest.mark.parametrize("how", ["abort", "close", "stop"])
def test_every_wait_notices_abort_close_and_stop(ring: SequencedSlots, wait: Wait, how: str) -> None:
    full, empty = ring.producer(wait=wait), ring.stage(0, wait=wait)
    ended: dict[str, Any] = {}
    full.publish_many([b"x"] * 8)
    consumer = how != "close"
    if not consumer:
        empty.receive_many(8)

    def wait_full() -> None:
        ended["full"] = full.publish(b"y")

    def wait_empty() -> None:
        ended["empty"] = empty.receive()

    thread = threading.Thread(target=wait_full if consumer else wait_empty)
    thread.start()
    time.sleep(0.07)
    handle = full if consumer else empty
    before = time.monotonic()
    {"abort": lambda: ring.abort(1), "close": ring.close_stream, "stop": handle.stop}[how]()
    thread.join(2)
    assert not thread.is_alive()
    assert time.monotonic() - before < 0.5
    assert ended in ({"full": False}, {"empty": None})
    assert handle.ended.name == {"abort": "ABORTED", "close": "FINISHED", "stop": "STOPPED"}[how]


def test_drive_replaces_filters_and_leaves(ring: SequencedSlots) -> None:
    seen = []

    def function(data: bytes) -> object:
        seen.append(data)
        return {b"drop": None, b"same": data}.get(data, data.upper())

    producer = ring.producer()
    producer.publish_many([b"abc", b"drop", b"same", b""])
    producer.close_stream()
    stage = ring.stage(0)
    assert stage.drive(function) == (End.FINISHED, 4, None)
    assert seen == [b"abc", b"drop", b"same", b""]
    assert [ring.slot(i).payload for i in (0, 2, 3)] == [b"ABC", b"same", b""]
    assert [ring.slot(i).flags & 1 for i in range(4)] == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("result", "reason"),
    [(b"x" * 33, End.TOO_LONG), ("text", End.STAGE_ERROR), (ZeroDivisionError(), End.STAGE_ERROR)],
)
@pytest.mark.parametrize("batch", [False, True], ids=["message", "batch"])
def test_a_failing_stage_names_the_sequence_and_keeps_the_exception(
    ring: SequencedSlots, result: object, reason: End, batch: bool
) -> None:
    def one(data: bytes) -> object:
        if data != b"bad":
            return data
        if isinstance(result, Exception):
            raise result
        return result

    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_many([b"a", b"b", b"bad", b"c"])
    if batch:
        end = stage.drive_batch(lambda items: [one(item) for item in items])
    else:
        end = stage.drive(one)
    raised = isinstance(result, Exception)
    assert end.reason == reason
    assert end.sequence == (0 if raised and batch else 2)
    assert isinstance(end.error, Exception)
    if raised:
        assert end.error is result
    assert ring.gating == (end.sequence,)
    assert not end.clean


def test_drive_batch_with_views_changes_in_place(ring: SequencedSlots) -> None:
    kept: list[memoryview] = []

    def function(views: list[memoryview]) -> object:
        kept.extend(views)
        views[0][:1] = b"X"
        return [views[0], None, b"new", views[3]]

    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_many([b"abc", b"b", b"c", b"d"])
    producer.close_stream()
    assert stage.drive_batch(function, views=True) == (End.FINISHED, 4, None)
    assert [ring.slot(i).payload for i in (0, 2, 3)] == [b"Xbc", b"new", b"d"]
    assert ring.slot(1).flags & 1
    with pytest.raises(ValueError, match="released"):
        bytes(kept[0])


@pytest.mark.parametrize(
    ("kind", "param", "message", "result"),
    [
        ("identity", b"", b"abc", b"abc"),
        ("crc32c", b"", b"abc", b"abc"),
        ("crc32c_append", b"", b"123456789", b"123456789\x83\x92\x06\xe3"),
        ("crc32c_append", b"", b"x" * 29, End.TOO_LONG),
        ("crc32c_check", b"", b"123456789\x83\x92\x06\xe3", b"123456789\x83\x92\x06\xe3"),
        ("crc32c_check", b"", b"123456789\x83\x92\x06\xe2", End.STAGE_ERROR),
        ("crc32c_check", b"", b"abc", End.STAGE_ERROR),
        ("json_append", b',"a":1', b'{"b":2}', b'{"b":2,"a":1}'),
        ("json_append", b',"a":1', b" { } \n", b' { "a":1} \n'),
        ("json_append", b',"a":1', b'{"b":"}\\"{"}', b'{"b":"}\\"{","a":1}'),
        ("json_append", b',"a":1', b'{"b":[{}]}', b'{"b":[{}],"a":1}'),
        ("json_append", b',"a":1', b"[1]", End.STAGE_ERROR),
        ("json_append", b',"a":1', b'{"b":2', End.STAGE_ERROR),
        ("json_append", b',"a":1', b'{"b":2}}', End.STAGE_ERROR),
        ("json_append", b',"a":1', b"", End.STAGE_ERROR),
        ("json_append", b',"a":1', b'{"b":"\\', End.STAGE_ERROR),
        ("json_append", b',"a":' + b"1" * 30, b"{}", End.TOO_LONG),
    ],
    ids=repr,
)
def test_native_stages(ring: SequencedSlots, kind: str, param: bytes, message: bytes, result: object) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    producer.publish_many([message])
    producer.close_stream()
    end = stage.run_native(kind, param)
    if isinstance(result, End):
        assert (end.reason, end.sequence) == (result, 0)
        assert ring.slot(0).payload == message
    else:
        assert (end.reason, end.sequence) == (End.FINISHED, 1)
        assert ring.slot(0).payload == result


def test_a_diamond_joins_both_sides(shm: Path, kernel_name: str) -> None:
    ring = SequencedSlots.create(
        shm / "ring", capacity=8, slot_bytes=32, gates=4, egress=(3,), kernel=kernel_name
    )
    top, left, right, join = ring.stage(0), ring.stage(1, (0,)), ring.stage(2, (0,)), ring.stage(3, (1, 2))
    producer, egress = ring.producer(), ring.egress()
    producer.publish_many([b"x"] * 4)
    for handle in (top, left):
        handle.receive_many(4)
    assert join.peek(4, 0) == 0
    right.receive_many(3)
    assert join.peek(8, 0) == 3
    join.advance(3)
    assert egress.receive_many(8) == [b"x"] * 3


def test_two_terminal_stages_are_released_together(shm: Path, kernel_name: str) -> None:
    ring = SequencedSlots.create(
        shm / "ring", capacity=4, slot_bytes=32, gates=2, egress=(0, 1), kernel=kernel_name
    )
    producer, a, b, egress = ring.producer(), ring.stage(0), ring.stage(1), ring.egress()
    producer.publish_many([b"x"] * 4)
    a.receive_many(4)
    assert egress.receive(0) is None
    b.receive_many(2)
    assert egress.receive_many(4, 0) == [b"x"] * 2
    assert ring.gating == (2, 2)
    assert producer.try_publish_many([b"y"] * 4) == 2


def test_a_worker_row_counts_and_beats_while_idle(shm: Path, kernel_name: str) -> None:
    metrics = MetricsRegion.create(shm / "metrics", 2)
    row = metrics.row(1)
    row.begin("parse", "json", "stage", "process")
    ring = SequencedSlots.create(shm / "ring", capacity=8, slot_bytes=32, kernel=kernel_name)
    producer, stage = ring.producer(), ring.stage(0, wait=Wait.BLOCK)
    stage.attach_row(row)
    producer.publish_many([b"a", b"drop", b"c"])
    thread = threading.Thread(target=lambda: stage.drive(lambda data: None if data == b"drop" else data))
    thread.start()
    reader = MetricsRegion.observe(shm / "metrics")
    beats = set()
    for _ in range(20):
        time.sleep(0.02)
        beats.add(reader.rows()[0].heartbeat_ns)
    producer.close_stream()
    thread.join()
    (sample,) = reader.rows()
    assert len(beats) >= 4
    assert (sample.name, sample.key, sample.role, sample.where, sample.pid) == (
        "parse", "json", "stage", "process", os.getpid(),
    )  # fmt: skip
    assert (sample.taken, sample.handed_on, sample.filtered, sample.batch_max) == (3, 2, 1, 3)
    assert sum(sample.histogram) >= 1
    assert sample.quantile_ns(0.5) > 0
    assert sample.idle_ns > 100_000_000


def test_two_threads_cannot_use_one_handle(ring: SequencedSlots) -> None:
    stage = ring.stage(0)
    thread = threading.Thread(target=stage.receive, args=(5,))
    thread.start()
    time.sleep(0.05)
    assert code_of(lambda: stage.receive(0)) == "E_ROLE_TAKEN"
    assert code_of(stage.close) == "E_ROLE_TAKEN"
    stage.stop()
    thread.join(1)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("cell", "value"), [("cursor", 9), ("cursor", 2**63), ("cursor", 2**64 - 1), ("gate", 1), ("gate", 2**63)]
)
def test_an_impossible_cell_is_corruption_not_a_crash(ring: SequencedSlots, cell: str, value: int) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    at = 64 if cell == "cursor" else 128
    with memoryview(ring.region.mapping) as raw, raw.cast("Q") as words:
        words[at >> 3] = value
    victim = (lambda: stage.receive(0)) if cell == "cursor" else (lambda: producer.publish(b"x"))
    assert code_of(victim) == "E_CORRUPT"


def test_an_impossible_length_is_corruption_not_a_crash(ring: SequencedSlots) -> None:
    producer, stage = ring.producer(), ring.stage(0)
    producer.publish(b"x")
    with memoryview(ring.region.mapping) as raw, raw.cast("I") as words:
        for length in (33, 2**31, 2**32 - 1):
            words[ring.geometry.slot(0) >> 2] = length
            calls = (
                stage.receive,
                lambda: stage.receive_many(4),
                lambda: stage.receive_into(bytearray(8), 4),
            )
            assert [code_of(call) for call in calls] == ["E_CORRUPT"] * 3
        stage.peek(1)
        assert code_of(lambda: stage.view(0)) == "E_CORRUPT"
