"""The loops of a Python program over a lane: ``for batch in``, ``async for``."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from byteor.indexbus import Events, IndexBusError


@pytest.fixture
def lane(shm: Path, kernel_name: str) -> Events:
    return Events.create(shm / "lane", capacity=8, slot_bytes=32, kernel=kernel_name)


def test_batches_hand_on_each_batch_when_the_next_is_asked_for(lane: Events) -> None:
    producer, consumer = lane.producer(), lane.consumer()
    producer.publish_many([b"%d" % number for number in range(8)])
    producer.close_stream()
    seen = []
    for batch in consumer.batches(3):
        assert lane.head == batch.sequence == len(seen)
        seen += [bytes(view) for view in batch]
        assert bytes(batch[0]) == seen[batch.sequence]
    assert seen == [b"%d" % number for number in range(8)]
    assert lane.head == 8


def test_batches_of_an_aborted_stream_raise(lane: Events) -> None:
    lane.abort()
    with pytest.raises(IndexBusError) as caught:
        list(lane.consumer().batches())
    assert caught.value.code == "E_ABORTED"


def test_async_for_and_await_pass_everything_through_a_small_lane(lane: Events) -> None:
    producer, consumer = lane.producer(), lane.consumer()
    messages = [b"%d" % number for number in range(100)]

    async def produce() -> int:
        sent = await producer.apublish_many(messages)
        producer.close_stream()
        return sent

    async def consume() -> list[bytes]:
        return [bytes(view) async for batch in consumer.abatches(5) for view in batch]

    async def both() -> tuple[int, list[bytes]]:
        sent, seen = await asyncio.gather(produce(), consume())
        return sent, seen

    assert asyncio.run(both()) == (100, messages)


def test_cancelling_a_waiting_async_for_ends_it(lane: Events) -> None:
    consumer = lane.consumer()

    async def wait_for_ever() -> None:
        async for _ in consumer.abatches():
            raise AssertionError("nothing was published")

    async def cancelled() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait_for_ever(), 0.05)

    asyncio.run(cancelled())
    assert consumer.ended.name == "STOPPED"
    assert threading.active_count() >= 1
