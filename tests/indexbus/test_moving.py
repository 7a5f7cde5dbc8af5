"""What lane-to-lane work needs of a lane: origins, watermarks, stamps, drops and high water."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kernels import needs_native

from byteor.indexbus import Events, Fanout, MetricsRegion, SequencedSlots
from byteor.indexbus.abi import FILTERED, WATERMARK, End
from byteor.indexbus.errors import IndexBusError


def make(lane: str, path: Path, kernel_name: str) -> tuple[Any, Any]:
    """A producer and a consumer of a small lane."""
    if lane == "sequenced":
        ring = SequencedSlots.create(path, capacity=8, slot_bytes=32, egress=(0,), kernel=kernel_name)
        return ring.producer(), ring.egress(())
    if lane == "fanout":
        fan = Fanout.create(path, capacity=8, slot_bytes=32, consumers=1, kernel=kernel_name)
        return fan.producer(), fan.consumer(0)
    producers = 2 if lane == "mpsc" else 1
    queue = Events.create(path, capacity=8, slot_bytes=32, producers=producers, kernel=kernel_name)
    return queue.producer(0), queue.consumer()


@pytest.fixture(params=["sequenced", "events", "fanout", "mpsc"])
def ends(request: pytest.FixtureRequest, shm: Path, kernel_name: str) -> tuple[Any, Any]:
    return make(request.param, shm / "lane", kernel_name)


def test_a_message_keeps_its_ingress_and_origin(ends: tuple[Any, Any]) -> None:
    producer, consumer = ends
    assert producer.publish(b"a", 3, 100)
    assert producer.publish_many([b"b", b"c"], ingress=4, origin=2**64 - 1) == 2
    assert producer.publish_buffer(b"dd", 1, 5, 7) == 2
    assert consumer.peek(8, 0) == 5
    assert [consumer.describe(i)[2:] for i in range(5)] == [(3, 100), (4, 2**64 - 1), (4, 0), (5, 7), (5, 8)]


def test_readers_skip_watermarks_and_nobody_counts_them(ends: tuple[Any, Any], shm: Path) -> None:
    producer, consumer = ends
    with MetricsRegion.create(shm / "metrics", 2) as metrics:
        rows = [metrics.row(i) for i in range(2)]
        for row, name in zip(rows, ("reader", "lane"), strict=True):
            row.begin(name, "", "sink" if name == "reader" else "lane", "thread")
        consumer.attach_row(rows[0])
        producer.attach_lane_row(rows[1])
        assert producer.watermark(5)
        assert producer.publish(b"a", 0, 6)
        assert producer.put(b"", 0, 7, FILTERED)
        assert producer.watermark(8)
        assert producer.publish_many([b"b", b"c"], 0, 9) == 2
        assert consumer.peek(1, 0) == 1
        assert consumer.describe(0) == (0, WATERMARK, 0, 5)
        assert consumer.views() == []
        consumer.advance(1)
        assert consumer.receive(0) == b"a"
        assert consumer.receive(0) == b"b"
        assert consumer.receive_many(8, 0) == [b"c"]
        assert consumer.filtered == 1
        reader, lane = metrics.rows()
        assert (reader.taken, reader.handed_on) == (4, 3)
        assert (lane.taken, lane.high_water) == (3, 6)
        consumer.close()
        producer.close()


@pytest.mark.parametrize("loop", ["drive", "drive_batch", "native"])
def test_loops_skip_watermarks_and_do_not_count_them(shm: Path, kernel_name: str, loop: str) -> None:
    ring = SequencedSlots.create(shm / "ring", capacity=8, slot_bytes=32, kernel=kernel_name)
    with (
        MetricsRegion.create(shm / "metrics", 1) as metrics,
        ring.producer() as producer,
        ring.stage(0) as stage,
    ):
        row = metrics.row(0)
        row.begin("stage", "", "stage", "thread")
        stage.attach_row(row)
        assert producer.watermark(1)
        assert producer.publish(b"a")
        assert producer.watermark(2)
        producer.close_stream()
        seen: list[bytes] = []
        if loop == "drive":
            end = stage.drive(seen.append)
        elif loop == "drive_batch":
            end = stage.drive_batch(lambda batch: [seen.extend(batch)])  # type: ignore[func-returns-value]
        else:
            end = stage.run_native("crc32c_append")
            seen = [b"a"]
        assert (end.reason, end.sequence, seen) == (End.FINISHED, 3, [b"a"])
        sample = metrics.rows()[0]
        filtered = int(loop != "native")
        assert (sample.taken, sample.handed_on, sample.filtered) == (1, 1 - filtered, filtered)


def test_a_full_lane_refuses_puts_and_tells_how_many_fit(ends: tuple[Any, Any]) -> None:
    producer, consumer = ends
    assert producer.free() == 8
    assert all(producer.put(b"%d" % i, 1, i) for i in range(8))
    assert (producer.free(), producer.put(b"x", 1, 8), producer.watermark(9)) == (0, False, False)
    assert producer.ended == End.TIMEOUT
    assert consumer.receive_many(3, 0) == [b"0", b"1", b"2"]
    assert producer.free() == 3
    with pytest.raises(IndexBusError) as caught:
        producer.put(bytes(33), 0, 0)
    assert caught.value.code == "E_OVERSIZE"
    producer.close_stream()


def test_a_stamp_is_carried_from_lane_to_lane(ends: tuple[Any, Any]) -> None:
    producer, consumer = ends
    assert producer.put(b"a", 0, 0, 0, 12345)
    assert producer.put(b"b", 0, 1)
    assert consumer.peek(2, 0) == 2
    assert [consumer.stamp(i) for i in range(2)] == [12345, 0]


def test_drops_are_counted_by_cause_in_both_rows(ends: tuple[Any, Any], shm: Path) -> None:
    producer, _ = ends
    with MetricsRegion.create(shm / "metrics", 2) as metrics:
        for i, role in enumerate(("router", "lane")):
            row = metrics.row(i)
            row.begin(role, "", role, "thread")
            (producer.attach_lane_row if i else producer.attach_row)(row)
        producer.dropped("full", 3)
        producer.dropped("oversize", 2)
        with pytest.raises(ValueError, match="cause"):
            producer.dropped("mood", 1)
        for sample in metrics.rows():
            assert (sample.dropped, sample.dropped_full, sample.dropped_oversize) == (5, 3, 2)
        producer.close()


@needs_native
def test_a_lane_of_many_ends_when_the_last_producer_has_ended(shm: Path) -> None:
    lane = Events.create(shm / "lane", capacity=8, slot_bytes=32, producers=2)
    first, second = lane.producer(0), lane.producer(1)
    first.close_stream()
    assert lane.state == "open"
    assert second.publish(b"still")
    second.close_stream()
    assert lane.state == "closed"
    with lane.consumer() as consumer:
        assert (consumer.receive(0), consumer.receive(0), consumer.ended) == (b"still", None, End.FINISHED)
