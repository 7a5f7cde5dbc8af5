"""The loops of a Python program over a lane: ``for batch in``, ``async for``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from byteor.indexbus import Batch, Events, IndexBusError
from byteor.indexbus.abi import FILTERED


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


def test_a_batch_that_was_kept_says_that_its_step_is_over(lane: Events) -> None:
    producer, consumer = lane.producer(), lane.consumer()
    producer.publish_many([b"%d" % number for number in range(6)])
    producer.close_stream()

    async def all_of_them() -> list[Batch]:
        return [batch async for batch in consumer.abatches(2)]

    steps = consumer.batches(2)
    first, second = next(steps), next(steps)
    assert bytes(second[0]) == b"2"
    calls: list[Callable[[], object]] = [
        lambda: first[0],
        lambda: list(first),
        lambda: len(first),
        lambda: first.sequence,
        lambda: first.describe(0),
        lambda: first.write(0, b"x"),
        lambda: first.filter(0),
    ]
    for call in calls:
        with pytest.raises(IndexBusError) as caught:
            call()
        assert caught.value.code == "E_BATCH_PASSED"
    assert bytes(second[0]) == b"2"  # nothing of that reached the batch that is current
    assert second.describe(0)[1] & FILTERED == 0
    with pytest.raises(IndexBusError):
        asyncio.run(all_of_them())[0][0]


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


def test_who_cancels_a_wait_can_leave_the_handles_with_block(lane: Events) -> None:
    async def consume() -> None:
        with lane.consumer() as consumer:
            async for _ in consumer.abatches():
                raise AssertionError("nothing was published")

    async def produce() -> None:
        with lane.producer() as producer:
            await producer.apublish_many([b"x"] * 9)

    async def cancelled(work: Coroutine[None, None, None], waits: Callable[[], bool]) -> None:
        task = asyncio.create_task(work)
        while not waits():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):  # and no E_ROLE_TAKEN of a thread that still waits
            await task

    asyncio.run(cancelled(consume(), lambda: lane.peers()[0].state == "alive"))
    asyncio.run(cancelled(produce(), lambda: lane.cursor == 8))
    lane.consumer().close()
    lane.producer().close()
