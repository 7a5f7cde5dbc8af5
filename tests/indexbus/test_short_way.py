"""One 64-byte message takes a short way through the kernel: it must do all that the long way does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from byteor.indexbus import Events, MetricsRegion, MetricsRow, Wait
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError


def message(number: int) -> bytes:
    return number.to_bytes(8, "little") * 8


def counting(shm: Path) -> MetricsRow:
    row = MetricsRegion.create(shm / "rows", 1).row(0)
    row.begin("x", "", "source", "thread")
    return row


def test_short_and_long_messages_keep_their_order_and_headers(
    shm: Path, kernel_pair: tuple[str, str]
) -> None:
    Events.create(shm / "lane", capacity=16, slot_bytes=100, start=(1 << 64) - 40).close()
    sent = [message(n) if n % 3 else bytes([n]) * (n % 90) for n in range(1, 200)]
    sent[50:53] = [bytearray(message(50)), memoryview(message(51)), b""]  # type: ignore[list-item]
    first, second = (Events.open(shm / "lane", kernel=name) for name in kernel_pair)
    with first.producer() as producer, second.consumer() as consumer:
        for at, data in enumerate(sent):
            assert producer.publish(data)
            assert consumer.peek(9) == 1
            length, flags, ingress, origin = consumer.describe(0)
            assert (length, flags & 1, ingress, origin) == (
                len(data),
                0,
                0,
                ((1 << 64) - 40 + at) % (1 << 64),
            )
            assert consumer.payload(0) == data
            consumer.advance(1)


def test_a_full_or_ended_lane_takes_nothing_more(shm: Path, kernel_name: str) -> None:
    lane = Events.create(shm / "lane", capacity=4, slot_bytes=64, kernel=kernel_name)
    with lane.producer() as producer, lane.consumer() as consumer:
        assert [producer.try_publish(message(n)) for n in range(6)] == [True] * 4 + [False] * 2
        assert consumer.receive() == message(0)
        assert producer.publish(message(4))
        assert not producer.try_publish(message(5))
        consumer.receive_many(2)
        lane.abort(1)
        assert not producer.publish(message(5))
        assert producer.ended == End.ABORTED
        assert lane.cursor == 5


def test_what_is_published_after_a_row_came_is_counted_and_after_it_went_is_not(
    shm: Path, kernel_name: str
) -> None:
    lane = Events.create(shm / "lane", capacity=16, slot_bytes=64, kernel=kernel_name)
    row = counting(shm)
    with lane.producer() as producer:
        for given in (None, row, None):
            producer.attach_row(given)
            for n in range(3):
                producer.publish(message(n))
    assert MetricsRegion.observe(shm / "rows").rows()[0].handed_on == 3


def test_a_sleeper_is_woken_by_every_message(shm: Path) -> None:
    lane = Events.create(shm / "lane", capacity=16, slot_bytes=64)
    there = Events.create(shm / "back", capacity=16, slot_bytes=64)

    def echo() -> None:
        with lane.consumer(wait=Wait.BLOCK) as consumer, there.producer() as producer:
            while (data := consumer.receive()) is not None:
                producer.publish(data)

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    with lane.producer() as producer, there.consumer(wait=Wait.BLOCK) as consumer:
        start = time.monotonic()
        for n in range(400):
            producer.publish(message(n))
            assert consumer.receive(20) == message(n)
        assert time.monotonic() - start < 9, "found by looking around, not woken, it were 20 s"
        producer.close_stream()
        thread.join()


def test_a_closed_handle_refuses(shm: Path, kernel_name: str) -> None:
    lane = Events.create(shm / "lane", capacity=16, slot_bytes=64, kernel=kernel_name)
    producer = lane.producer()
    producer.publish(message(0))
    producer.close()
    with pytest.raises(IndexBusError) as caught:
        producer.publish(message(1))
    assert caught.value.code == "E_CLOSED"
    assert lane.cursor == 1


def test_a_message_in_many_carries_a_time(shm: Path, kernel_name: str) -> None:
    """However fast single messages come, the latency histogram gets its samples."""
    lane = Events.create(shm / "lane", capacity=8192, slot_bytes=64, kernel=kernel_name)
    with lane.producer() as producer, lane.consumer() as consumer:
        consumer.attach_row(counting(shm))
        for n in range(8192):
            producer.publish(message(n))
        while consumer.receive_many(256, 0):
            pass
    sampled = sum(MetricsRegion.observe(shm / "rows").rows()[0].histogram)
    assert 8192 // 256 <= sampled < 8192
