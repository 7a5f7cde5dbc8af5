"""Power failures, simulated: what was not synced is lost in part, and no acknowledged entry with it.

A VFS beneath SQLite keeps, for every file, what is durable and what was written since the last sync. A
failure keeps any of the unsynced 512-byte sectors and drops the others; the log is opened again from that.
The same simulation with ``synchronous=NORMAL`` must lose entries, else it would be blind.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from byteor_store import AuditLog, Event, verify
from byteor_store.database import make_durable
from byteor_store.migrations import migrate

SECTOR = 512
EXISTING = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


class Disk:
    """File name -> durable bytes, and the sectors and truncations that no sync has covered yet."""

    def __init__(self) -> None:
        self.durable: dict[str, bytearray] = {}
        self.pending: dict[str, list[tuple[int, bytes | None]]] = {}

    def write(self, name: str, offset: int, data: bytes) -> None:
        end = offset + len(data)
        pending = self.pending.setdefault(name, [])
        while offset < end:
            border = min(end, (offset // SECTOR + 1) * SECTOR)
            pending.append((offset, data[: border - offset]))
            data = data[border - offset :]
            offset = border

    def sync(self, name: str) -> None:
        file = self.durable.setdefault(name, bytearray())
        for offset, data in self.pending.pop(name, []):
            apply(file, offset, data)

    def after_failure(self, chance: random.Random) -> dict[str, bytes]:
        """What the files hold when power is back."""
        kept_share = chance.choice([0.0, 0.5, 0.9, 1.0])
        images = {name: bytearray(data) for name, data in self.durable.items()}
        for name, pending in self.pending.items():
            file = images.setdefault(name, bytearray())
            for offset, data in pending:
                if chance.random() < kept_share:
                    apply(file, offset, data)
        return {name: bytes(data) for name, data in images.items()}


def apply(file: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del file[offset:]
        return
    if len(file) < offset:
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(data)] = data


class PowerVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__("power", base="unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return PowerFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.disk.durable.pop(Path(filename).name, None)
        self.disk.pending.pop(Path(filename).name, None)


class PowerFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        self.name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name
        super().__init__("unix", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        super().xWrite(data, offset)
        self.disk.write(self.name, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self.disk.pending.setdefault(self.name, []).append((newsize, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.disk.sync(self.name)


def lost_entries(folder: Path, seed: int, synchronous: str) -> int:
    """Write until a failure at a random moment; how many acknowledged entries are gone afterwards."""
    chance = random.Random(seed)
    disk = Disk()
    vfs = PowerVFS(disk)
    before = folder / f"before-{seed}"
    before.mkdir(mode=0o700)
    path = before / "audit.db"
    connection = apsw.Connection(str(path), flags=EXISTING, vfs="power")
    connection.pragma("locking_mode", "exclusive")  # a VFS in Python has no shared memory
    make_durable(connection)
    connection.pragma("synchronous", synchronous)
    connection.pragma("wal_autocheckpoint", chance.choice([2, 5, 1000]))
    migrate(connection, path)
    log = AuditLog(connection, path)
    acknowledged = -1
    for number in range(chance.randrange(1, 12)):
        event = Event(action="act", actor="user:op", body={"n": number, "fill": "x" * chance.randrange(2000)})
        acknowledged = log.append_many([event] * chance.randrange(1, 4))[-1]
    images = disk.after_failure(chance)
    log.close()
    vfs.unregister()
    after = folder / f"after-{seed}"
    lost = acknowledged + 1 - readable_entries(after, images)
    shutil.rmtree(before)
    shutil.rmtree(after)
    return lost


def readable_entries(folder: Path, images: dict[str, bytes]) -> int:
    folder.mkdir(mode=0o700)
    for name, data in images.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    with AuditLog.open(folder / "audit.db") as log:
        count = log.size()
        assert log.append(Event(action="after", actor="user:op")) == count
    found = verify(folder / "audit.db")
    assert (found.problem, found.size) == (None, count + 1)
    return count


def failures(folder: Path, seeds: range, synchronous: str = "FULL") -> list[int]:
    """The seeds whose failure lost an acknowledged entry."""
    return [seed for seed in seeds if lost_entries(folder, seed, synchronous) > 0]


def test_no_acknowledged_entry_is_lost_when_the_power_fails(tmp_path: Path) -> None:
    assert failures(tmp_path, range(60)) == []


def test_the_simulation_sees_the_loss_that_a_weaker_setting_allows(tmp_path: Path) -> None:
    assert failures(tmp_path, range(60), "NORMAL") != []


@pytest.mark.campaign
def test_ten_thousand_power_failures_lose_nothing(tmp_path: Path) -> None:
    """BYTEOR_SEED=1 .venv/bin/pytest -m campaign tests/store/test_power_failure.py -s"""
    first = int(os.environ.get("BYTEOR_SEED", "1")) * 1_000_000
    lost = failures(tmp_path, range(first, first + 10_000))
    control = failures(tmp_path, range(first, first + 1_000), "NORMAL")
    print(f"\nFULL: {len(lost)} of 10,000 failures lost entries; NORMAL: {len(control)} of 1,000")
    assert lost == []
    assert control != []
