"""Arrivals by ticket, and the clock of a stage over them: each message has its own time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import KERNELS

from byteor.indexbus import SequencedSlots, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.jobs import InPlace
from byteor.runtime.arrivals import Arrivals
from byteor.runtime.clocked import MessageClock, batch_of, is_clocked, work_by_the_clock
from byteor.runtime.stages import resolve


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=300))
def test_every_ticket_under_way_has_the_arrival_that_was_noted(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("arrivals") / "a"
    writer = Arrivals.create(path, in_flight=16)
    reader = Arrivals.open(path)
    noted: dict[int, int] = {}
    ticket = 0
    for at_ns, (skipped, count) in enumerate(batches, start=1 << 60):
        ticket += skipped
        writer.note(ticket, count, at_ns)
        noted |= dict.fromkeys(range(ticket, ticket + count), at_ns)
        ticket += count
        for one in list(noted)[-16:]:
            assert reader.at(one) == noted[one]
    for absent in (ticket, ticket + 100):
        with pytest.raises(KeyError):
            reader.at(absent)
    writer.close()
    reader.close()


def test_an_empty_file_knows_no_ticket_and_the_file_is_ours_alone(tmp_path: Path) -> None:
    arrivals = Arrivals.create(tmp_path / "a", 4)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyError):
        arrivals.at(0)
    arrivals.close()
    with pytest.raises(FileExistsError):
        Arrivals.create(tmp_path / "a", 4)


def test_no_room_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(IndexBusError, match="No space left") as caught:
        Arrivals.create(tmp_path / "a", 4)
    assert caught.value.code == "E_SHM_SPACE"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_clocked_stage_sees_each_messages_own_arrival_whatever_the_batches(
    tmp_path: Path, kernel: str, batch: int
) -> None:
    seen: list[tuple[bytes, int]] = []
    arrivals = Arrivals.create(tmp_path / "a", 16)
    with (
        SequencedSlots.create(
            tmp_path / "ring", capacity=16, slot_bytes=8, gates=2, egress=(1,), kernel=kernel
        ) as ring,
        ring.producer() as producer,
        ring.stage(0) as odd,
        ring.stage(1, after=(0,)) as rx,
    ):
        for start in (0, 5, 7):
            messages = [b"%d" % i for i in range(start, {0: 5, 5: 7, 7: 10}[start])]
            arrivals.note(start, len(messages), 1000 + start)
            producer.publish_many(messages, 0, start)
        producer.watermark(99, 0)
        producer.close_stream()
        odd.drive(lambda message: message if int(message) % 2 else None)
        clock = MessageClock(rx, arrivals)

        def note(messages: list[bytes]) -> list[bytes]:
            seen.extend((message, clock(i)) for i, message in enumerate(messages))
            return messages

        end = work_by_the_clock([InPlace(rx=rx, batch=note)], batch, Wait.YIELD)
    arrivals.close()
    assert end.error is None
    assert seen == [(b"1", 1000), (b"3", 1000), (b"5", 1005), (b"7", 1007), (b"9", 1007)]


def test_only_clocked_stages_ask_and_those_of_one_message_work_on_one_at_a_time() -> None:
    assert [is_clocked(resolve(key)) for key in ("rate_limit:1", "delay:1", "pace:1")] == [True, True, False]
    assert [batch_of(resolve(f"{key}:1"), 64) for key in ("rate_limit", "delay", "pace", "sample")] == [
        64,
        1,
        1,
        64,
    ]
