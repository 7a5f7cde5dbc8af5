"""``with`` for whatever has a ``close``."""

from __future__ import annotations

from typing import Self


class Closing:
    """Closed when its ``with`` block is left, however it is left."""

    __slots__ = ()

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
