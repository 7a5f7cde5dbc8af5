"""``gather`` copies a batch into four buffers, on both kernels, and leaves out what readers skip."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from byteor.indexbus import Consumer, SequencedSlots


@pytest.fixture
def shape(shm: Path, kernel_name: str) -> SequencedSlots:
    return SequencedSlots.create(
        shm / "ring", capacity=8, slot_bytes=64, gates=1, egress=(0,), kernel=kernel_name
    )


def gathered(consumer: Consumer) -> tuple[list[int], list[int], list[int], bytes]:
    origins, ingresses, lengths, payload = consumer.gather()
    return list(array("Q", origins)), list(array("H", ingresses)), list(array("I", lengths)), payload


def test_a_batch_is_gathered_across_the_end_of_the_slots(shape: SequencedSlots) -> None:
    with shape, shape.producer() as producer, shape.egress(()) as consumer:
        producer.publish_many([b"x"] * 6, 0, 0)
        assert consumer.peek(8, 0) == 6
        consumer.advance(6)
        producer.publish_many([b"one", b"", b"three"], 7, 100)
        producer.publish_many([b"4"], 65535, 2**64 - 1)
        assert consumer.peek(8, 0) == 4
        assert gathered(consumer) == (
            [100, 101, 102, 2**64 - 1],
            [7, 7, 7, 65535],
            [3, 0, 5, 1],
            b"onethree4",
        )
        assert gathered(consumer)[3] == b"".join(bytes(view) for view in consumer.views())
        consumer.advance(4)


def test_filtered_messages_and_watermarks_are_left_out(shape: SequencedSlots) -> None:
    with shape, shape.producer() as producer, shape.egress(()) as consumer:
        producer.publish_many([b"a", b"b", b"c"], 0, 1)
        producer.watermark(9)
        assert consumer.peek(8, 0) == 4
        consumer.filter(1)
        assert gathered(consumer) == ([1, 3], [0, 0], [1, 1], b"ac")
        consumer.advance(4)


def test_an_empty_batch_gathers_nothing(shape: SequencedSlots) -> None:
    with shape, shape.egress(()) as consumer:
        assert consumer.peek(8, 0) == 0
        assert consumer.gather() == (b"", b"", b"", b"")
