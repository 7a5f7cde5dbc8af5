"""``file:`` and ``stdin:``: lines to the end of a file, a FIFO or standard input."""

from __future__ import annotations

import os

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.framing import LINES
from byteor.edge.lines import LineSource, open_to_read
from byteor.edge.position_file import Positioned, PositionFile
from byteor.edge.spelling import Spelled
from byteor.errors import Exit


class FileSource(Positioned, LineSource):
    """``file:PATH``: a file (or a FIFO), from the start, or from its checkpoint, to the end."""

    def __init__(self, path: str, framing: str = LINES, checkpoint: str | None = None) -> None:
        super().__init__(f"file:{path}", framing)
        self._path = path
        self._kept = None if checkpoint is None else PositionFile(checkpoint, self.name)

    def open(self) -> None:
        self._attach(open_to_read(self._path))
        position = self._kept_position()
        if position is not None:
            self._go_on(position)

    def _go_on(self, position: object) -> None:
        size = os.fstat(self._fd).st_size
        if not isinstance(position, int) or self._poll is not None or not 0 <= position <= size:
            raise self._bad_position(f"the file has only {size:,} bytes, or the position is another kind's")
        self._offset = os.lseek(self._fd, position, os.SEEK_SET)


class StdinSource(LineSource):
    """``stdin:``: standard input, to its end."""

    def __init__(self, framing: str = LINES) -> None:
        super().__init__("stdin:", framing)

    def open(self) -> None:
        try:
            self._attach(0)
        except OSError as error:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"standard input is closed: {reason(error)}",
                hint="pipe something in, or name a --source file:PATH",
                exit=Exit.UNAVAILABLE,
            ) from error


def file_source(spelled: Spelled) -> LineSource:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the path is missing")
    if spelled.flag("follow"):
        from byteor.edge.follow import follow_source

        return follow_source(spelled)
    if spelled.string("start") != "beginning":
        raise bad_argument(spelled.kind, spelled.usage, "start= needs follow=1")
    return FileSource(spelled.argument, spelled.string("framing"), spelled.string_or_none("checkpoint"))


def stdin_source(spelled: Spelled) -> StdinSource:
    if spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "takes no argument")
    return StdinSource(spelled.string("framing"))
