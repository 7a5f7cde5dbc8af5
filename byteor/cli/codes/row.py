"""One row of a table of codes."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """``rule`` is what holds when all is well, ``hint`` the way out; ``wrong`` brings the code about and
    ``right`` does not: command lines, lines of Python or of a file.
    """

    layer: str
    code: str
    rule: str
    hint: str
    wrong: str
    right: str
