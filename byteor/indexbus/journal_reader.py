"""Journal on disk, the reader: replays from a position and follows the writer; read-only."""

from __future__ import annotations

import os
from pathlib import Path

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_segment import FIRST_AT, read_head, segments
from byteor.indexbus.record import HEAD, read_records, record_bytes

CHUNK = 1 << 18


class DiskJournalReader(Closing):
    """Works on a live journal, whose writer does not know of it, and on a copy."""

    def __init__(self, folder: str | os.PathLike[str], position: int | None = None) -> None:
        """From ``position``, a record's; ``None``: the oldest. Raises ``E_REGION_MISSING`` without any
        segment.
        """
        self.folder = Path(folder)
        held = segments(self.folder)
        if not held:
            raise IndexBusError("E_REGION_MISSING", f"no journal in {self.folder}")
        self.position = held[0][0] if position is None else position
        self._doubtful = position is not None  # whether a record begins there has to be seen
        self._file: tuple[int, int, int] | None = None  # start, end, descriptor
        self._data, self._data_at = b"", 0  # what was read of it, and from which position

    def read(self, max: int = 256) -> list[tuple[int, bytes]]:
        """Up to ``max`` ``(position, payload)``; empty at the end of what is written so far.

        Raises ``E_OVERRUN`` (``fields``: lost_bytes, resume) once when the position was dropped,
        ``E_CORRUPT``, also of a position at which no record begins, ``E_VALUE`` of one behind the last.
        """
        records: list[tuple[int, bytes]] = []
        while len(records) < max and self._open_segment():
            try:
                found, size = self._parse(max - len(records))
            except IndexBusError:
                if records:
                    break  # first what is whole; the next call raises
                raise
            if not size:
                break
            records += found
            self.position += size
        return records

    def _parse(self, most: int) -> tuple[list[tuple[int, bytes]], int]:
        offset = self.position - self._data_at
        if 0 <= offset < len(self._data):
            try:
                found = read_records(self._data, offset, self.position, most)
            except IndexBusError:
                found = ([], 0)  # copied while it was being written? look at it again
            if found[1]:
                return found
        self._load(CHUNK)
        if len(self._data) >= HEAD.size and (wanted := record_bytes(HEAD.unpack_from(self._data)[0])) > CHUNK:
            self._load(wanted)
        return read_records(self._data, 0, self.position, most)

    def _load(self, size: int) -> None:
        assert self._file is not None
        start, end, fd = self._file
        size = min(size, end - self.position)
        self._data = os.pread(fd, size, self.position - start + FIRST_AT)
        self._data_at = self.position

    def _open_segment(self) -> bool:
        """Whether a segment that holds ``position`` is open now."""
        if self._file is not None and self._file[0] <= self.position < self._file[1]:
            return True
        held = segments(self.folder)
        holding = [(start, path) for start, path in held if start <= self.position]
        if not holding:
            lost, resume = held[0][0] - self.position, held[0][0]
            self.position, self._doubtful = resume, False
            text = f"{lost} bytes of the journal were dropped before they were read"
            raise IndexBusError("E_OVERRUN", text, lost_bytes=lost, resume=resume)
        start, path = holding[-1]
        end = start + read_head(path, start)["size"] - FIRST_AT
        if self.position > end:
            raise IndexBusError("E_VALUE", f"position {self.position} lies beyond the end of the journal")
        if self.position == end:
            return False  # the writer has not begun the next segment
        self.close()
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._doubtful:
                _require_record(fd, start, self.position)
        except BaseException:
            os.close(fd)
            raise
        self._file, self._doubtful = (start, end, fd), False
        return True

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file[2])
            self._file = None
            self._data = b""


def _require_record(fd: int, start: int, position: int) -> None:
    """Raise unless a record begins, or the next one will begin, at ``position`` of the segment at ``start``.

    Only the way there tells: what lies within a record may look like one, or like nothing written yet.
    """
    data, data_at, at = b"", start, start
    while at < position:
        if at + HEAD.size > data_at + len(data):
            data, data_at = os.pread(fd, CHUNK, at - start + FIRST_AT), at
            if len(data) < HEAD.size:
                break
        length, flags = HEAD.unpack_from(data, at - data_at)
        if not flags & abi.RECORD_COMMITTED:
            break
        at += HEAD.size + length if flags & abi.RECORD_PADDING else record_bytes(length)
    if at < position:
        raise IndexBusError("E_VALUE", f"position {position} lies beyond the end of the journal")
    if at > position:
        text, hint = f"no record begins at position {position}", "take a position that append or read gave"
        raise IndexBusError("E_CORRUPT", text, hint=hint, position=position)
