"""A line of the palette: what can be done or gone to, and what does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """``alive`` is False for an act whose needs are not met: it is shown, and does nothing."""

    name: str
    about: str
    key: str
    alive: bool
    do: Callable[[], object]
