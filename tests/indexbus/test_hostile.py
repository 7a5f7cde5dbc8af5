"""Regions that somebody wrote over: no crash, no read outside the mapping, every refusal with its code.

A child process does the looking, with the mapping set between two inaccessible pages; whatever it raises
other than an ``IndexBusError``, and whatever signal ends it, is a failure.
The long campaign: ``BYTEOR_SEED=1 pytest -m campaign tests/indexbus/test_hostile.py``.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import struct
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import indexbus_worker as worker
import pytest

from byteor.indexbus import SequencedSlots, abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal import Journal
from byteor.indexbus.metrics import MetricsRegion
from byteor.indexbus.router import Queues
from byteor.indexbus.state import State

SEED = int(os.environ.get("BYTEOR_SEED", "1"))
MUTATIONS = int(os.environ.get("BYTEOR_MUTATIONS", "1000000"))
INTERESTING = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    63,
    64,
    65,
    0xFF,
    0x100,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
]

KINDS: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "sequenced": (
        lambda path: SequencedSlots.create(path, capacity=4, slot_bytes=736, gates=2, egress=(1,)),
        SequencedSlots,
    ),
    "events": (lambda path: worker.Events.create(path, capacity=4, slot_bytes=50), worker.Events),
    "mpsc": (lambda path: worker.Events.create(path, capacity=4, slot_bytes=50, producers=3), worker.Events),
    "fanout": (
        lambda path: worker.Fanout.create(path, capacity=4, slot_bytes=50, consumers=3),
        worker.Fanout,
    ),
    "queues": (lambda path: Queues.create(path, capacity=4, slot_bytes=50, consumers=2), Queues),
    "journal": (lambda path: Journal.create(path, window_bytes=4096), Journal),
    "state": (lambda path: State.create(path, slot_bytes=100), State),
    "metrics": (lambda path: MetricsRegion.create(path, 3), MetricsRegion),
}


def in_a_child(work: Callable[[], None]) -> None:
    """Run ``work`` in a forked process; its exceptions and signals are this test's failure."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def mutate(generator: random.Random, data: bytearray, first: int, last: int, count: int) -> None:
    for _ in range(count):
        shape = generator.randrange(4)
        if shape == 0:
            data[generator.randrange(first, last)] = generator.randrange(256)
            continue
        width, form = ((4, "<I"), (8, "<Q"), (2, "<H"))[shape - 1]
        at = generator.randrange(first, last - width) // width * width
        value = generator.choice(INTERESTING) if generator.random() < 0.7 else generator.getrandbits(64)
        struct.pack_into(form, data, at, value & ((1 << 8 * width) - 1))


def mutate_headers(path: Path, cls: Any, base: bytes, generator: random.Random, rounds: int) -> Counter[str]:
    """Random and structured changes of the 64 bytes; what opening says."""
    codes: Counter[str] = Counter()
    ways = [cls.open, getattr(cls, "observe", cls.open)]
    fd = os.open(path, os.O_RDWR)
    for _ in range(rounds):
        data = bytearray(base[:64])
        mutate(generator, data, 0, 64, generator.randrange(1, 4))
        data[16:20] = b"\2\0\0\0"  # the wait for its creator is tested elsewhere
        os.pwrite(fd, data, 0)
        try:
            region = generator.choice(ways)(path)
            region.close()
            codes["opens"] += 1
        except IndexBusError as error:
            codes[error.code] += 1
    os.close(fd)
    return codes


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]


def between_guards(fd: int, length: int) -> Any:
    """The file mapped so that the pages before and behind it cannot be touched."""
    pages = abi.round_up(length, mmap.PAGESIZE)
    outer = LIBC.mmap(None, pages + 2 * mmap.PAGESIZE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    map_fixed = 0x10
    inner = LIBC.mmap(
        outer + mmap.PAGESIZE, pages, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | map_fixed, fd, 0
    )
    assert inner == outer + mmap.PAGESIZE
    return (ctypes.c_ubyte * length).from_address(inner)


def attempt(codes: Counter[str], *calls: Callable[[], object]) -> None:
    for call in calls:
        try:
            call()
            codes["fine"] += 1
        except IndexBusError as error:
            codes[error.code] += 1


def exercise_slots(lane: Any, codes: Counter[str]) -> None:
    """Every role of a lane of slots, every call, never waiting."""
    handles: list[Any] = []
    names = ("producer", "consumer", "stage", "egress")
    for name in names:
        method = getattr(lane, name, None)
        indexes = range(3) if name in ("stage", "consumer") else (None,)
        for index in indexes if method else ():
            try:
                handles.append(method() if index is None or type(lane) is worker.Events else method(index))
            except IndexBusError as error:
                codes[error.code] += 1
    for handle in handles:
        if hasattr(handle, "publish"):
            attempt(
                codes,
                lambda h=handle: h.try_publish(b"x" * 40),
                lambda h=handle: h.try_publish_many([b"y"] * 9),
                lambda h=handle: h.try_publish_buffer(b"z" * 60, 20),
            )
        else:
            attempt(
                codes,
                lambda h=handle: h.receive(0),
                lambda h=handle: h.receive_many(2, 0),
                lambda h=handle: h.receive_into(bytearray(100), 10, 0),
                lambda h=handle: (h.peek(3, 0), [bytes(v) for v in h.views()], h.advance(h.peeked)),
                lambda h=handle: (
                    h.peek(3, 0) and (h.raw(0, h.contiguous()), h.write(0, b"w" * 50), h.filter(0))
                ),
            )
    for handle in handles:
        handle.close()


def mutate_bodies(
    kind: str, path: Path, cls: Any, base: bytes, generator: random.Random, rounds: int
) -> Counter[str]:
    codes: Counter[str] = Counter()
    lane = cls.open(path)
    guarded = between_guards(lane.region.fd, len(base))
    lane.region._mapping.close()
    lane.region._mapping = guarded
    raw = memoryview(guarded).cast("B")
    for _ in range(rounds):
        data = bytearray(base)
        mutate(generator, data, 64, len(data), generator.randrange(1, 40))
        if generator.random() < 0.5:  # the words that matter: cells, slot headers, the stream
            mutate(generator, data, 64, min(len(data), 512), 3)
        raw[:] = data
        if kind == "journal":
            reader = lane.reader(0)
            attempt(codes, lambda r=reader: r.read(), lambda r=reader: r.read(), lane.oldest, lane.peers)
        elif kind == "state":
            attempt(codes, lambda: lane.read(0), lane.peers)
        elif kind == "metrics":
            attempt(codes, lane.rows)
        else:
            exercise_slots(lane, codes)
            attempt(codes, lambda: lane.slot(1), lane.peers, lambda: lane.state, lambda: lane.aborted)
    return codes


def campaign(folder: Path, kind: str, seed: int, headers: int, bodies: int) -> None:
    make, cls = KINDS[kind]
    path = folder / kind
    lane = make(path)
    if kind not in ("journal", "state", "metrics", "queues", "mpsc"):
        with lane.producer() as producer:
            producer.publish_many([b"a", b"bb", b"ccc"])
    elif kind == "journal":
        with lane.writer() as writer:
            for number in range(60):
                writer.append(bytes(number * 3))
    lane.close()
    base = path.read_bytes()
    generator = random.Random(seed)
    codes = mutate_headers(path, cls, base, generator, headers)
    path.write_bytes(base)
    codes += mutate_bodies(kind, path, cls, base, generator, bodies)
    print(f"{kind}: {headers} headers and {bodies} bodies, seed {seed}: {dict(codes)}", file=sys.__stderr__)
    assert len(codes) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_regions_are_refused_with_a_code_and_never_crash(shm: Path, kind: str) -> None:
    in_a_child(lambda: campaign(shm, kind, SEED, 1500, 150))


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
def test_a_million_mutations(shm: Path, kind: str) -> None:
    share = MUTATIONS // len(KINDS)
    in_a_child(lambda: campaign(shm, kind, SEED, share * 4 // 5, share // 5))


def test_a_truncated_region_ends_a_worker_with_a_sentence_and_code_11(shm: Path, spawn: Any) -> None:
    if "native" not in worker.kernel_names():
        pytest.skip("the twin has no handler for SIGBUS")
    SequencedSlots.create(shm / "ring", capacity=1024, slot_bytes=1024).close()
    process = spawn("sequenced", shm / "ring", "native", "stage:0")
    assert process.stdout.readline() == "ready\n"
    os.truncate(shm / "ring", 64)
    _, error = process.communicate(timeout=5)
    assert process.returncode == 11
    assert "E_REGION_GONE" in error
