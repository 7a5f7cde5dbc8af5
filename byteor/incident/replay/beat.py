"""A sign of life that a replay's child gives its parent: how far every worker is, in a page that both see."""

from __future__ import annotations

import mmap
import struct

_HEAD = struct.Struct("<QQI")  # under way, changes, bytes of text
_PAGE = 4096


class Beat:
    """One writer, the child, and one reader, its parent. Made before the fork."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _PAGE)

    def begin(self) -> None:
        """From now on something must move; before and after a pass nothing is expected."""
        self._put(1, "")

    def tell(self, text: str) -> None:
        """Something moved; ``text`` says how far each worker is."""
        self._put(1, text)

    def end(self) -> None:
        """The pass is over."""
        self._put(0, "")

    def look(self) -> int | None:
        """A number that changes while something moves; None outside a pass."""
        under_way, changes, _ = _HEAD.unpack_from(self._page)
        return changes if under_way else None

    def text(self) -> str:
        """What was told last, when its writer has stopped."""
        size = min(_HEAD.unpack_from(self._page)[2], _PAGE - _HEAD.size)
        return self._page[_HEAD.size : _HEAD.size + size].decode("utf-8", "replace")

    def _put(self, under_way: int, text: str) -> None:
        data = text.encode("utf-8", "replace")[: _PAGE - _HEAD.size]
        changes = int(_HEAD.unpack_from(self._page)[1]) + 1
        self._page[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._page, 0, under_way, changes, len(data))
