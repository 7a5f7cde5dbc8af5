"""``journal:FOLDER``: a disk journal of IndexBus as source and as sink; a record is a message."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.position_file import Positioned, PositionFile
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_disk import DiskJournalReader, DiskJournalWriter, FsyncPolicy
from byteor.runtime.adapter import Health

POLL_S = 0.01


class JournalSource(Positioned):
    """Reads on from ``position`` (``None``: the oldest record); with ``follow`` it waits for more."""

    def __init__(self, folder: str, position: int | None, follow: bool, checkpoint: str | None) -> None:
        super().__init__(f"journal:{folder}")
        self._folder, self._position, self._follow = folder, position, follow
        self._kept = None if checkpoint is None else PositionFile(checkpoint, self.name)
        self._reader: DiskJournalReader | None = None

    def open(self) -> None:
        """Raises ``E_SOURCE_NOT_FOUND``, ``E_CHECKPOINT``."""
        position = self._kept_position()
        if position is None:
            position = self._position
        elif not isinstance(position, int):
            raise self._bad_position()
        try:
            self._reader = DiskJournalReader(self._folder, position)
        except IndexBusError as error:
            raise EdgeError(
                "E_SOURCE_NOT_FOUND", error.message, hint="check the folder", exit=Exit.NOT_FOUND
            ) from error
        except OSError as error:
            raise EdgeError(
                "E_SOURCE_UNREADABLE", f"{self.name}: {reason(error)}", exit=Exit.UNAVAILABLE
            ) from error

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Raises ``E_SOURCE_READ`` for a damaged journal. Records dropped before they were read are counted
        in bytes (``lost_bytes``)."""
        assert self._reader is not None
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                records = self._reader.read(max_messages)
            except IndexBusError as error:
                if error.code != "E_OVERRUN":
                    raise EdgeError(
                        "E_SOURCE_READ", f"{self.name}: {error.message}", hint=error.hint
                    ) from error
                self._counted["lost_bytes"] += int(error.fields["lost_bytes"])
                continue
            except OSError as error:
                raise EdgeError("E_SOURCE_READ", f"{self.name}: {reason(error)}") from error
            if records:
                self._counted["messages"] += len(records)
                return [payload for _, payload in records]
            if not self._follow:
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(left, POLL_S))

    def checkpoint(self) -> object:
        return None if self._reader is None else self._reader.position

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        super().close()

    def health(self) -> Health:
        lost = self._counted["lost_bytes"]
        return Health(ok=not lost, detail=self.told("following" if self._follow else "reading"))


class JournalSink(SinkEdge):
    """Appends; ``flush`` puts everything on the disk. One writer a folder."""

    def __init__(self, folder: str, fsync: FsyncPolicy) -> None:
        super().__init__(f"journal:{folder}")
        self._folder, self._fsync = folder, fsync
        self._writer: DiskJournalWriter | None = None

    def open(self) -> None:
        """Raises ``E_SINK_UNWRITABLE``."""
        try:
            self._writer = DiskJournalWriter(self._folder, fsync=self._fsync)
        except (IndexBusError, OSError) as error:
            why = reason(error) if isinstance(error, OSError) else error.message
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: {why}",
                hint="name a folder that this user may write and that no other run writes",
                exit=Exit.UNAVAILABLE,
            ) from error

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_WRITE`` (a full disk), ``E_OVERSIZE``."""
        assert self._writer is not None
        for message in messages:
            try:
                self._writer.append(message)
            except IndexBusError as error:
                if error.code == "E_OVERSIZE" and self.set_aside(error.code, error.message, message):
                    continue
                code = "E_OVERSIZE" if error.code == "E_OVERSIZE" else "E_SINK_WRITE"
                raise EdgeError(code, f"{self.name}: {error.message}", hint=error.hint) from error
            self._counted["messages"] += 1

    def flush(self) -> None:
        assert self._writer is not None
        try:
            self._writer.sync()
        except OSError as error:
            raise EdgeError("E_SINK_WRITE", f"{self.name}: not on the disk: {reason(error)}") from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def health(self) -> Health:
        return Health(ok=True, detail=self.told("writing"))


def journal_source(spelled: Spelled) -> JournalSource:
    start = spelled.string("start")
    if start == "oldest":
        position = None
    elif start.isascii() and start.isdigit() and len(start) < 19:
        position = int(start)
    else:
        raise bad_argument(spelled.kind, spelled.usage, f"start={start}: oldest or a record's position")
    return JournalSource(
        _folder(spelled), position, spelled.flag("follow"), spelled.string_or_none("checkpoint")
    )


def journal_sink(spelled: Spelled) -> JournalSink:
    policies: dict[str, FsyncPolicy] = {"always": "always", "interval": "interval", "none": "none"}
    return JournalSink(_folder(spelled), policies[spelled.string("fsync")])


def _folder(spelled: Spelled) -> str:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the folder is missing")
    return str(Path(spelled.argument))
