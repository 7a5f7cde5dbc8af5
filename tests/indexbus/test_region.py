"""Creating and opening regions: every refusal with its own code, in the order of the contract."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from byteor.indexbus import IndexBusError, SequencedSlots
from byteor.indexbus.abi import HEADER


def patch(path: Path, field: str, value: int) -> None:
    entry = next(f for f in HEADER.fields if f.name == field)
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + entry.format, data, entry.offset, value)
    path.write_bytes(data)


def cut(path: Path, length: int) -> None:
    os.truncate(path, length)


# In the order of the checks: what is done to a good region, and the code that names it.
SPOILERS = [
    ("E_REGION_FILE", lambda path: path.chmod(0o662)),
    ("E_REGION_LENGTH", lambda path: cut(path, 63)),
    ("E_REGION_MAGIC", lambda path: patch(path, "magic", 0x12345678)),
    ("E_REGION_VERSION", lambda path: patch(path, "version", 2)),
    ("E_REGION_KIND", lambda path: patch(path, "flags", 1)),
    ("E_REGION_CAPABILITIES", lambda path: patch(path, "capabilities", 1 << 31)),
    ("E_REGION_LAYOUT", lambda path: cut(path, path.stat().st_size - 64)),
    ("E_REGION_GEOMETRY", lambda path: patch(path, "capacity", 32)),
    ("E_REGION_INIT", lambda path: patch(path, "initialized", 1)),
]
CODES = [code for code, _ in SPOILERS]


@pytest.fixture
def good(shm: Path) -> Path:
    path = shm / "ring"
    SequencedSlots.create(path, capacity=64, slot_bytes=64, gates=1).close()
    return path


@pytest.mark.parametrize("observe", [False, True], ids=["open", "observe"])
@pytest.mark.parametrize(("code", "spoil"), SPOILERS, ids=CODES)
def test_each_check_has_its_code(good: Path, code: str, spoil: object, observe: bool) -> None:
    assert callable(spoil)
    spoil(good)
    with pytest.raises(IndexBusError) as caught:
        (SequencedSlots.observe if observe else SequencedSlots.open)(good)
    assert caught.value.code == code


@pytest.mark.parametrize("first", range(len(SPOILERS) - 1), ids=CODES[:-1])
def test_the_earlier_check_speaks_first(good: Path, first: int) -> None:
    for index in (first + 1, first):
        if CODES[index] not in ("E_REGION_LENGTH",):
            SPOILERS[index][1](good)
    expected = CODES[first] if CODES[first] != "E_REGION_LENGTH" else "E_REGION_MAGIC"
    with pytest.raises(IndexBusError) as caught:
        SequencedSlots.open(good)
    assert caught.value.code == expected


def test_what_is_no_regular_file_is_refused_without_waiting(shm: Path) -> None:
    os.mkfifo(shm / "fifo")
    (shm / "folder").mkdir()
    SequencedSlots.create(shm / "ring", capacity=64, slot_bytes=64).close()
    (shm / "link").symlink_to(shm / "ring")
    for name in ("fifo", "folder", "link"):
        with pytest.raises(IndexBusError) as caught:
            SequencedSlots.open(shm / name)
        assert caught.value.code == "E_REGION_FILE"
    with pytest.raises(IndexBusError) as caught:
        SequencedSlots.open(shm / "missing")
    assert caught.value.code == "E_REGION_MISSING"


def test_a_region_is_private_whatever_the_umask(shm: Path) -> None:
    before = os.umask(0)
    try:
        SequencedSlots.create(shm / "ring", capacity=64, slot_bytes=64).close()
    finally:
        os.umask(before)
    assert (shm / "ring").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in shm.iterdir()] == ["ring"], "no temporary file stays"


def test_creating_never_replaces_a_region(good: Path) -> None:
    with pytest.raises(IndexBusError) as caught:
        SequencedSlots.create(good, capacity=64, slot_bytes=64)
    assert caught.value.code == "E_REGION_EXISTS"
    assert len(list(good.parent.iterdir())) == 1


def test_no_space_is_an_error_before_the_first_write(shm: Path) -> None:
    with pytest.raises(IndexBusError) as caught:
        SequencedSlots.create(shm / "ring", capacity=1 << 20, slot_bytes=1 << 17)
    assert caught.value.code == "E_SHM_SPACE"
    assert caught.value.exit == 69
    assert list(shm.iterdir()) == []


@pytest.mark.parametrize(
    "sizes",
    [
        {"capacity": 3},
        {"capacity": 1},
        {"slot_bytes": -5},
        {"gates": 5},
        {"gates": 0},
        {"gates": 1, "egress": (1,)},
    ],
    ids=str,
)
def test_impossible_sizes_are_refused_before_a_file_exists(shm: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(IndexBusError) as caught:
        create: Any = SequencedSlots.create
        create(shm / "ring", **{"capacity": 64, "slot_bytes": 64, **sizes})
    assert caught.value.code == "E_GEOMETRY"
    assert list(shm.iterdir()) == []


def test_a_replaced_region_is_stale(good: Path) -> None:
    ring = SequencedSlots.open(good)
    ring.region.check_fresh()
    good.unlink()
    SequencedSlots.create(good, capacity=64, slot_bytes=64).close()
    with pytest.raises(IndexBusError) as caught:
        ring.region.check_fresh()
    assert caught.value.code == "E_REGION_STALE"


def test_an_observer_survives_truncation(good: Path) -> None:
    observer = SequencedSlots.observe(good)
    assert observer.cursor == 0
    cut(good, 64)
    for look in (
        lambda: observer.cursor,
        lambda: observer.slot(0),
        lambda: observer.peers(),
        lambda: observer.state,
    ):
        with pytest.raises(IndexBusError) as caught:
            look()
        assert caught.value.code == "E_REGION_GONE"


def test_a_region_in_a_folder_that_does_not_exist_is_refused_with_a_code(shm: Path) -> None:
    with pytest.raises(IndexBusError) as caught:
        SequencedSlots.create(shm / "none" / "lane")
    assert caught.value.code == "E_REGION_MISSING"
