"""Which parts of a request have been on the screen: signing stays off until all have."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Piece(msgspec.Struct, frozen=True):
    """A drawn line: piece ``part`` of ``parts`` of line ``line`` of hunk ``hunk``."""

    hunk: int
    line: int
    part: int = 0
    parts: int = 1


class Seen:
    """What has been on the screen of each document, named by what it shows (a digest of request and diff)."""

    def __init__(self) -> None:
        self._pieces: dict[str, set[Piece]] = {}

    def note(self, document: str, pieces: Iterable[Piece | None]) -> None:
        """These drawn lines of ``document`` are on the screen now."""
        self._pieces.setdefault(document, set()).update(piece for piece in pieces if piece is not None)

    def unseen(self, document: str, pieces: Iterable[Piece | None]) -> list[int]:
        """The hunks of ``document`` of which a line has not been on the screen whole, in order."""
        known = self._pieces.get(document, set())
        return sorted({piece.hunk for piece in pieces if piece is not None and piece not in known})
