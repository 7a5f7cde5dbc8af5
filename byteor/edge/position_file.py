"""``checkpoint=PATH``: where a source goes on after a restart, kept in a small file.

It is written when the run says that everything before has left it (``commit``), so a run that dies reads what
was under way once more: at least once, never less.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from byteor.atomic import write_file
from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError, reason
from byteor.errors import ByteorError, Exit

EVERY_S = 0.2  # a fsync each; a crash reads at most this much of what had left the run again


class _Kept(msgspec.Struct):
    source: str
    position: object


class PositionFile:
    """One source's position. ``position`` is a value of ``Source.checkpoint``: whole numbers and texts."""

    def __init__(self, path: str, source: str) -> None:
        self._path = Path(path)
        self._source = source
        self._newest: object = None
        self._written: object = None
        self._due_s = 0.0

    def load(self) -> object:
        """The position that is kept; ``None`` the first time. Raises ``E_CHECKPOINT``."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            if not self._path.parent.is_dir():  # better now than when the first message has left the run
                raise self.bad("no such folder") from None
            return None
        except OSError as error:
            raise self.bad(reason(error)) from error
        except msgspec.MsgspecError as error:
            raise self.bad("it holds no position") from error
        if kept.source != self._source:
            raise self.bad(f"it is the position of {kept.source}")
        self._newest = self._written = kept.position
        return kept.position

    def bad(self, why: str) -> EdgeError:
        """The error of a checkpoint that the source cannot go on from."""
        return EdgeError(
            "E_CHECKPOINT",
            f"{self._source} cannot go on from {self._path}: {why}",
            hint="name another checkpoint=PATH, or remove the file to begin anew",
            exit=Exit.UNAVAILABLE,
        )

    def save(self, position: object) -> None:
        """Keep ``position``; on the disk within ``EVERY_S``, or with ``flush``. Raises ``E_CHECKPOINT``."""
        self._newest = position
        if time.monotonic() >= self._due_s:
            self.flush()

    def flush(self) -> None:
        if self._newest == self._written:
            return
        try:
            write_file(self._path, msgspec.json.encode(_Kept(self._source, self._newest)))
        except OSError as error:
            raise self.bad(reason(error)) from error
        except ByteorError as error:
            raise self.bad(error.message) from error
        self._written = self._newest
        self._due_s = time.monotonic() + EVERY_S


class HandedOver(PositionFile):
    """Where the run before this one stopped. What ``commit`` says goes to ``inner``, where there is one."""

    def __init__(self, source: str, position: object, inner: PositionFile | None) -> None:
        self._source = source
        self._position = position
        self._inner = inner

    def load(self) -> object:
        return self._position

    def bad(self, why: str) -> EdgeError:
        return EdgeError(
            "E_CHECKPOINT",
            f"{self._source} cannot go on from where the run before stopped: {why}",
            hint="start it without --replace, with a checkpoint=PATH of your own where the source takes one",
            exit=Exit.UNAVAILABLE,
        )

    def save(self, position: object) -> None:
        if self._inner is not None:
            self._inner.save(position)

    def flush(self) -> None:
        if self._inner is not None:
            self._inner.flush()


class Positioned(SourceEdge):
    """A source that can go on from its ``checkpoint``, kept at ``checkpoint=PATH`` or by a run before."""

    _kept: PositionFile | None

    def commit(self, position: object) -> None:
        """With ``checkpoint=PATH`` the position is kept. Raises ``E_CHECKPOINT``."""
        if self._kept is not None:
            self._kept.save(position)

    def close(self) -> None:
        super().close()
        if self._kept is not None:
            self._kept.flush()

    def _kept_position(self) -> object:
        """Where to go on; ``None``: at the beginning. Raises ``E_CHECKPOINT``."""
        return None if self._kept is None else self._kept.load()

    def _bad_position(self, why: str = "the position is another kind's") -> EdgeError:
        assert self._kept is not None
        return self._kept.bad(why)

    def resume(self, position: object) -> None:
        """Begin at ``position``, whatever ``checkpoint=PATH`` says. Before ``open``, which raises
        ``E_CHECKPOINT`` when that is impossible.
        """
        self._kept = HandedOver(self.name, position, self._kept)
