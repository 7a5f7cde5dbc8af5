"""Journals: records in order, replay from a position, overrun told, crashes survived; in memory and on
disk.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from home import until
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import KERNELS, needs_native

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal import WINDOW_AT, Journal, JournalWriter
from byteor.indexbus.journal_disk import DiskJournalReader, DiskJournalWriter, read_head, segments
from byteor.indexbus.journal_segment import Segment
from byteor.indexbus.kernel_choice import kernel
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
    rest: dict[int, bytes] = {}
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


CAPTURE = struct.Struct("<QqH")  # sequence, arrival, shard


def test_a_batch_is_the_records_that_single_appends_would_have_made(shm: Path, kernel_name: str) -> None:
    single = Journal.create(shm / "single", window_bytes=4096, kernel=kernel_name)
    many = Journal.create(shm / "many", window_bytes=4096, kernel=kernel_name)
    one, batch = single.writer(), many.writer()
    follower = Journal.observe(shm / "many").reader(0)
    sequence = 0
    for part in range(60):
        messages = payloads(part, part % 9, 200)
        joined = [CAPTURE.pack(sequence + i, 7, 3) + data for i, data in enumerate(messages)]
        positions = [one.append(data) for data in joined]
        first = batch.append_many(messages, CAPTURE.pack(sequence, 7, 3), 0)
        assert first == (positions[0] if positions else batch.position)
        assert drain(follower) == joined
        sequence += len(messages)
    assert many.published == single.published > 4096 * 5
    assert many.oldest() == single.oldest()
    assert Journal.observe(shm / "many").reader().read() == Journal.observe(shm / "single").reader().read()


def test_a_message_that_is_too_long_keeps_its_whole_batch_out(shm: Path, tmp_path: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    writers: list[JournalWriter | DiskJournalWriter] = [journal.writer()]
    writers += [DiskJournalWriter(tmp_path, segment_bytes=4096)]
    for writer in writers:
        with writer, pytest.raises(IndexBusError) as caught:
            writer.append_many([b"a", bytes(5000), b"b"], bytes(27))
        assert (caught.value.code, caught.value.fields["index"]) == ("E_OVERSIZE", 1)
        assert writer.position == 0


@pytest.mark.parametrize(
    ("prefix", "count_at"), [(bytes(8), 1), (bytes(8), -1), (bytes(7), None), (bytes(600), None)]
)
def test_prefixes_that_do_not_fit_the_batch_are_refused(
    tmp_path: Path, prefix: bytes, count_at: int | None
) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096) as writer, pytest.raises(IndexBusError) as caught:
        writer.append_many([b"a", b"b"], prefix, count_at)
    assert caught.value.code == "E_VALUE"


def test_batches_on_disk_cross_segments_with_a_prefix_of_each_ones_own(tmp_path: Path) -> None:
    wrote: list[bytes] = []
    with DiskJournalWriter(tmp_path, segment_bytes=8192) as writer:
        for part in range(30):
            messages = payloads(part, 40)
            heads = [CAPTURE.pack(part, i * i, 1) for i in range(40)]
            writer.append_many([bytearray(data) for data in messages], b"".join(heads))
            wrote += [head + data for head, data in zip(heads, messages, strict=True)]
    assert len(segments(tmp_path)) > 10
    with DiskJournalReader(tmp_path) as reader:
        assert drain(reader) == wrote
    sealed = [read_head(path, start)["sealed"] for start, path in segments(tmp_path)]
    assert sealed == [1] * (len(sealed) - 1) + [0]


@needs_native
@given(
    messages=st.lists(st.binary(max_size=40), max_size=12),
    head=st.binary(min_size=8, max_size=30),
    room=st.integers(0, 60),
    most=st.integers(-1, 12),
)
@settings(max_examples=150, deadline=None)
def test_both_kernels_write_and_read_the_same_bytes(
    messages: list[bytes], head: bytes, room: int, most: int
) -> None:
    results = []
    for name in KERNELS:
        chosen, space = kernel(name), bytearray(1024)
        fit, size = chosen.record_sizes(messages, 0, len(head), room * 8, 100)
        took = chosen.record_write_many(space, 0, 1024, messages, 0, fit, head, len(head), len(head) - 8)
        assert took == (fit, size)
        results.append((bytes(space), chosen.record_read(space, 0, 70, most)))
    assert results[0] == results[1]


def test_what_is_whole_comes_before_the_word_that_the_next_is_torn(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096) as writer:
        third = [writer.append(b"record %d" % number) for number in range(3)][2]
    (_, path) = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[64 + third + 9] ^= 1
    path.write_bytes(data)
    with DiskJournalReader(tmp_path) as reader:
        assert [payload for _, payload in reader.read()] == [b"record 0", b"record 1"]
        with pytest.raises(IndexBusError, match="checksum"):
            reader.read()


def test_a_machine_that_fell_leaves_a_beginning_of_the_journal(tmp_path: Path) -> None:
    """Two segments were not yet synced, and of the first of them the end never reached the disk."""
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        positions = [writer.append(bytes([number]) * 100) for number in range(100)]
    held = segments(tmp_path)
    for _, path in held[:-3]:
        _seal(path)
    start, torn = held[-3]
    data = torn.read_bytes()
    torn.write_bytes(data[:3000] + bytes(len(data) - 3000))
    with DiskJournalWriter(tmp_path, segment_bytes=4096) as writer:
        assert segments(tmp_path) == held[:-2]
        assert writer.discarded_bytes > 4096
        kept = [position for position in positions if position < writer.position]
        assert start < kept[-1] < start + 3000
        writer.append(b"after")
    with DiskJournalReader(tmp_path) as reader:
        assert drain(reader) == [bytes([number]) * 100 for number in range(len(kept))] + [b"after"]


def _seal(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[32] = 1
    path.write_bytes(data)


def test_a_record_reaches_the_disk_in_time_though_nothing_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = Segment.sync_range

    def watched(segment: Segment, start: int, end: int) -> None:
        sync(segment, start, end)
        synced.append(end)

    monkeypatch.setattr(Segment, "sync_range", watched)
    with DiskJournalWriter(tmp_path, segment_bytes=4096, interval_ms=2) as writer:
        for number in range(30):
            if number % 2:
                until(lambda: writer._syncer.resting)  # it sleeps, and must be woken
            writer.append(b"x")
            until(lambda: synced and synced[-1] == writer._at)


def test_a_disk_that_refuses_a_sync_ends_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(segment: Segment, start: int, end: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none")
    writer.append(b"x")
    monkeypatch.setattr(Segment, "sync_range", refuse)
    for call in (writer.sync, lambda: writer.append(b"y"), writer.close):
        with pytest.raises(IndexBusError) as caught:
            call()
        assert caught.value.code == "E_JOURNAL_SYNC"


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_full_disk_is_told_by_the_append_that_needs_room_and_loses_nothing(tmp_path: Path) -> None:
    wrote = []
    with DiskJournalWriter(tmp_path, segment_bytes=8192) as writer:
        with _files_up_to(4096), pytest.raises(IndexBusError) as caught:
            for number in range(1000):
                writer.append(b"%d" % number)
                wrote.append(b"%d" % number)
        assert caught.value.code == "E_SHM_SPACE"
        assert len(wrote) > 100
        writer.append(b"space again")
    with DiskJournalReader(tmp_path) as reader:
        assert drain(reader) == [*wrote, b"space again"]
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize("which", KERNELS)
@pytest.mark.parametrize("table", [False, True])
def test_a_record_of_parts_reads_as_the_parts_in_one(which: str, table: bool) -> None:
    chosen, parts = kernel(which), [b"", b"a" * 64, bytearray(b"bcd"), b"e" * 5]
    lengths = b"".join(len(part).to_bytes(4, "little") for part in parts) if table else b""
    whole = b"head" + lengths + b"".join(parts)
    size = record_bytes(len(whole))
    one, other = bytearray(size + 64), bytearray(size + 64)
    assert chosen.record_join(one, 0, size - 1, b"head", parts, table) == 0
    assert one == bytes(len(one))
    assert chosen.record_join(one, 0, size, b"head", parts, table) == size
    assert kernel("pure").record_write(other, 0, whole) == size
    assert one == other


def test_joined_records_go_on_in_the_next_segment_and_long_ones_are_refused(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        at = [writer.append_joined(b"h%d" % n, (b"x" * 500,), table=False, most=600) for n in range(20)]
        assert writer.append_joined(b"h", (b"x" * 700,), table=False, most=600) == -1
        assert writer.append_joined(b"h", (b"x" * 5000,), table=True, most=1 << 32) == -1
    with DiskJournalReader(tmp_path) as reader:
        found = reader.read(100)
    assert [place for place, _ in found] == at
    assert [data for _, data in found] == [b"h%d" % n + b"x" * 500 for n in range(20)]


def test_a_policy_or_a_position_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexBusError) as caught:
        DiskJournalWriter(tmp_path / "log", fsync="allways")  # type: ignore[arg-type]
    assert caught.value.code == "E_VALUE"
    assert not (tmp_path / "log").exists()
    DiskJournalWriter(tmp_path / "log").close()
    with DiskJournalReader(tmp_path / "log", 1 << 40) as reader, pytest.raises(IndexBusError) as caught:
        reader.read()
    assert caught.value.code == "E_VALUE"


def test_a_position_is_where_a_record_begins(tmp_path: Path) -> None:
    tricky = [b"", bytes(40), b"x" * 5, record_bytes(7).to_bytes(4, "little") + b"\1\0\0\0" + bytes(30)]
    with DiskJournalWriter(tmp_path, segment_bytes=4096, fsync="none") as writer:
        first = [writer.append(tricky[n % 4]) for n in range(300)]
        end = writer.position
    assert len(segments(tmp_path)) > 2
    behind = {at + record_bytes(len(tricky[n % 4])) for n, at in enumerate(first)}  # what position said then
    begins = {*first, *behind, *(start for start, _ in segments(tmp_path))}
    for position in range(first[-20] - 1200, end + 40):
        with DiskJournalReader(tmp_path, position) as reader:
            if position in begins:
                assert [at for at, _ in reader.read(1)] == [at for at in first if at >= position][:1]
                continue
            wanted = "E_VALUE" if position > end else "E_CORRUPT"
            for _ in range(2):
                with pytest.raises(IndexBusError) as caught:
                    reader.read()
                assert caught.value.code == wanted, position


def test_a_reader_from_the_end_follows(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, fsync="none") as writer:
        writer.append(b"before")
        with DiskJournalReader(tmp_path, writer.position) as reader:
            assert reader.read() == []
            at = writer.append(b"after")
            assert reader.read() == [(at, b"after")]


def test_a_damaged_payload_does_not_hide_the_records_behind_it(tmp_path: Path) -> None:
    with DiskJournalWriter(tmp_path, fsync="none") as writer:
        at = [writer.append(b"record %d" % n) for n in range(3)]
    ((_, path),) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"record 0")] ^= 1
    path.write_bytes(data)
    with DiskJournalReader(tmp_path, at[1]) as reader:
        assert [payload for _, payload in reader.read()] == [b"record 1", b"record 2"]


def test_a_waiting_reader_is_told_that_the_writer_died(shm: Path) -> None:
    journal = Journal.create(shm / "journal", window_bytes=4096)
    dead = subprocess.run(
        [sys.executable, "-c", "import os, sys\nfrom byteor.indexbus import Journal\n"
         "writer = Journal.open(sys.argv[1]).writer()\nwriter.append(b'last')\nos._exit(9)",
         str(shm / "journal")], check=False)  # fmt: skip
    assert dead.returncode == 9
    reader = journal.reader(0)
    assert [payload for _, payload in reader.read(timeout_s=60)] == [b"last"]
    assert reader.read() == []
    with pytest.raises(IndexBusError) as caught:
        reader.read(timeout_s=60)
    assert caught.value.code == "E_PEER_DEAD"
