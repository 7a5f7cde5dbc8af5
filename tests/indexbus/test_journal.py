"""Journals: records in order, replay from a position, overrun told, crashes survived; in memory and on
disk.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal import WINDOW_AT, Journal
from byteor.indexbus.journal_disk import DiskJournalReader, DiskJournalWriter, segments
from byteor.indexbus.record import record_bytes


def payloads(seed: int, count: int, most: int = 300) -> list[bytes]:
    generator = random.Random(seed)
    return [generator.randbytes(generator.randrange(most)) for _ in range(count)]


def drain(reader: object) -> list[bytes]:
    found: list[bytes] = []
    while records := reader.read(7):  # type: ignore[attr-defined]
        found += [payload for _, payload in records]
    return found


def test_a_window_gives_every_record_to_a_reader_that_keeps_up(shm: Path, kernel_name: str) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096, kernel=kernel_name)
    writer, reader = journal.writer(), Journal.observe(shm / "journal").reader(0)
    for part in range(40):
        wrote = payloads(part, 10)
        positions = [writer.append(data) for data in wrote]
        read: list[tuple[int, bytes]] = []
        while records := reader.read(3):
            read += records
        assert read == list(zip(positions, wrote, strict=True))
    assert writer.position == journal.published > 4096 * 10


def test_an_overrun_reader_is_told_how_much_and_resumes_at_a_whole_record(shm: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    writer, reader = journal.writer(), journal.reader()
    wrote = {writer.append(data): data for data in payloads(1, 200)}
    with pytest.raises(IndexBusError) as caught:
        reader.read()
    assert caught.value.code == "E_OVERRUN"
    resume = caught.value.fields["resume"]
    assert caught.value.fields["lost_bytes"] == resume
    assert journal.claimed - resume <= 4096
    rest = {}
    while records := reader.read():
        rest.update(records)
    assert rest == {position: data for position, data in wrote.items() if position >= resume}
    assert len(rest) > 5


def test_a_torn_record_is_never_delivered(shm: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    writer, reader = journal.writer(), journal.reader()
    writer.append(b"whole")
    second = writer.append(b"spoilt")
    journal.region.mapping[WINDOW_AT + second + 9] ^= 1
    assert reader.read(1) == [(0, b"whole")]
    with pytest.raises(IndexBusError) as caught:
        reader.read()
    assert (caught.value.code, caught.value.fields["position"]) == ("E_CORRUPT", second)


def test_an_impossible_end_is_corruption(shm: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    journal.writer().append(b"x")
    for end in (1, 7, 17):
        journal.region.mapping[64:72] = end.to_bytes(8, "little")
        with pytest.raises(IndexBusError) as caught:
            journal.reader(0).read()
        assert caught.value.code == "E_CORRUPT"


def test_one_writer_and_no_record_beyond_a_quarter_of_the_window(shm: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    writer = journal.writer()
    with pytest.raises(IndexBusError, match="taken"):
        Journal.open(shm / "journal").writer()
    writer.append(bytes(1024))
    with pytest.raises(IndexBusError) as caught:
        writer.append(bytes(1025))
    assert caught.value.code == "E_OVERSIZE"


@pytest.mark.parametrize("fsync", ["always", "interval", "none"])
def test_disk_segments_hold_every_record_in_order(tmp_path: Path, fsync: str) -> None:
    wrote = payloads(2, 300)
    with DiskJournalWriter(tmp_path / "j", segment_bytes=8192, fsync=fsync) as writer:  # type: ignore[arg-type]
        positions = [writer.append(data) for data in wrote]
    assert len(segments(tmp_path / "j")) > 3
    with DiskJournalReader(tmp_path / "j") as reader:
        assert drain(reader) == wrote
    with DiskJournalReader(tmp_path / "j", positions[150]) as reader:
        assert drain(reader) == wrote[150:]
    with DiskJournalWriter(tmp_path / "j", segment_bytes=8192) as writer:
        assert writer.discarded_bytes == 0
        writer.append(b"one more")
    with DiskJournalReader(tmp_path / "j", positions[-1]) as reader:
        assert drain(reader) == [wrote[-1], b"one more"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for _, path in segments(tmp_path / "j"))


def test_a_disk_reader_follows_a_live_writer_across_segments(tmp_path: Path) -> None:
    wrote = payloads(3, 100)
    with (
        DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer,
        DiskJournalReader(tmp_path) as reader,
    ):
        for data in wrote:
            writer.append(data)
            assert [payload for _, payload in reader.read()] == [data]
        assert reader.read() == []


@pytest.mark.parametrize("cut", range(0, 60, 4))
def test_whatever_a_crash_leaves_behind_the_last_whole_record_is_discarded(tmp_path: Path, cut: int) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        for number in range(5):
            last = writer.append(b"record %d" % number)
    (_, path) = segments(tmp_path)[0]
    size = record_bytes(8)
    data = bytearray(path.read_bytes())
    at = 64 + last + min(cut, size - 1)
    data[at:] = bytes(len(data) - at)  # the tail of the last record never reached the disk
    data[64 + last + size + 40 : 64 + last + size + 48] = b"garbage!"
    path.write_bytes(data)
    with DiskJournalWriter(tmp_path, segment_bytes=4096) as writer:
        assert writer.discarded_bytes > 0
        assert writer.position in (last, last + size)
        writer.append(b"after")
    with DiskJournalReader(tmp_path) as reader:
        assert drain(reader)[:4] == [b"record %d" % number for number in range(4)]


def test_damage_in_the_middle_is_refused_and_not_erased(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        positions = [writer.append(b"record %d" % number) for number in range(5)]
    (_, path) = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[64 + positions[2] + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexBusError) as caught:
        DiskJournalWriter(tmp_path, segment_bytes=4096)
    assert (caught.value.code, caught.value.fields["position"]) == ("E_CORRUPT", positions[2])
    assert path.read_bytes() == data


def test_dropped_segments_are_an_overrun_for_who_still_wanted_them(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        positions = [writer.append(bytes(100)) for _ in range(200)]
        assert writer.drop_before(positions[100]) > 0
        with DiskJournalReader(tmp_path, 0) as reader:
            with pytest.raises(IndexBusError) as caught:
                reader.read()
            assert caught.value.code == "E_OVERRUN"
            assert caught.value.fields["resume"] == reader.position > 0
            resume = caught.value.fields["resume"]
            assert len(drain(reader)) == sum(position >= resume for position in positions)


def test_a_second_disk_writer_is_refused(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path):
        with pytest.raises(IndexBusError) as caught:
            DiskJournalWriter(tmp_path)
        assert caught.value.code == "E_ROLE_TAKEN"
    DiskJournalWriter(tmp_path).close()
