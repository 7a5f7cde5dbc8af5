"""A disk journal's segment: one file, allocated whole before use, mapped and populated."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import kernel

SUFFIX = ".journal"
FIRST_AT = abi.SEGMENT.size
_SEALED_AT = abi.SEGMENT.offset("sealed")


def segments(folder: Path) -> list[tuple[int, Path]]:
    """``(position of the first record, file)`` in order."""
    return sorted((int(path.stem), path) for path in folder.glob(f"{'[0-9]' * 20}{SUFFIX}"))


def segment_path(folder: Path, position: int) -> Path:
    """The file of the segment whose first record lies at ``position``."""
    return folder / f"{position:020d}{SUFFIX}"


def read_head(path: Path, position: int) -> dict[str, int]:
    """A segment's header. Raises ``E_CORRUPT`` when it is not the segment that its name says."""
    with path.open("rb") as file:
        data = file.read(abi.SEGMENT.size)
    size = path.stat().st_size
    if len(data) == abi.SEGMENT.size:
        head = {name: int(value) for name, value in abi.SEGMENT.unpack(data).items()}
        good = (head["magic"], head["version"], head["position"], head["size"])
        if good == (abi.SEGMENT_MAGIC, 1, position, size):
            return head
    raise IndexBusError("E_CORRUPT", f"{path} is no segment of this journal", position=position)


def sync_folder(folder: Path) -> None:
    """A new or renamed file of ``folder`` is on the disk when this returns."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Segment(Closing):
    """An open segment. Its pages are there already, so that an append neither faults nor runs out of
    space.
    """

    def __init__(self, path: Path, position: int) -> None:
        """Map the file. Raises ``E_CORRUPT`` when it is not the segment of ``position``."""
        self.path, self.start = path, position
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self.size = os.fstat(self.fd).st_size
            self.mapping = mmap.mmap(self.fd, self.size)
            kernel().populate(self.mapping)
        except BaseException:
            os.close(self.fd)
            raise

    @classmethod
    def create(cls, path: Path, position: int, size: int, epoch: int) -> Segment:
        """A new file at ``path`` with ``size`` bytes of disk. Raises ``E_SHM_SPACE``, ``E_JOURNAL_SYNC``."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IndexBusError("E_JOURNAL_SYNC", f"{path}: {error.strerror}") from None
        try:
            head = {
                "magic": abi.SEGMENT_MAGIC, "version": 1, "position": position,
                "size": size, "epoch": epoch, "sealed": 0,
            }  # fmt: skip
            os.posix_fallocate(fd, 0, size)
            os.pwrite(fd, abi.SEGMENT.pack({**head}), 0)
            os.fsync(fd)
        except OSError as error:
            path.unlink(missing_ok=True)
            text = f"no room for a segment of {size} bytes: {error.strerror}"
            raise IndexBusError("E_SHM_SPACE", text, hint="free space on the journal's disk") from None
        finally:
            os.close(fd)
        return cls(path, position)

    @property
    def end(self) -> int:
        """The position behind its last byte: where the next segment begins."""
        return self.start + self.size - FIRST_AT

    def sync(self) -> None:
        """What was written to the mapping is on the disk when this returns; other threads may run."""
        os.fdatasync(self.fd)

    def sync_range(self, start: int, end: int) -> None:
        """As ``sync``, of these bytes only. Of a whole segment every page would be written, also those that
        are only populated, and each would fault again at its first record.
        """
        kernel().sync_range(self.mapping, start, end)

    def seal(self) -> None:
        """Say in its header that it is whole and synced: recovery need not walk it."""
        self.mapping[_SEALED_AT] = 1

    @property
    def sealed(self) -> bool:
        return self.mapping[_SEALED_AT] != 0

    def close(self) -> None:
        if self.fd >= 0:
            self.mapping.close()
            os.close(self.fd)
            self.fd = -1
