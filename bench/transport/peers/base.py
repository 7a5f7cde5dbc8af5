"""What a peer offers to the shapes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Send = Callable[[bytes], Any]
Receive = Callable[[], Any]


class Lane:
    """One way of a peer's messages, made before the roles are forked; each opens its end afterwards.

    An end may also have ``many(payload, n)`` or ``many(n)``, which gives or takes lists a call; and, where
    calling it a message at a time is not how it is used, ``loop`` with the same arguments, and its lane
    ``forward(send, receive, n)``.
    """

    forward: Callable[[Send, Receive, int], None] | None = None

    def receiver(self, index: int) -> Receive:
        """Consumer ``index``; all consumers are there before a sender opens."""
        raise NotImplementedError

    def sender(self) -> Send:
        raise NotImplementedError


Make = Callable[[str, int, int, int], Lane]
"""``make(name, payload bytes, producers, consumers)``."""


@dataclass(frozen=True)
class Peer:
    """``open(folder)`` starts what the peer needs, and gives how its lanes are made. ``producers`` and
    ``consumers``: how many one lane can have (each consumer gets everything); ``list_calls``: it also sends
    and takes many messages a call. ``waits``: what an end does while nothing comes."""

    name: str
    module: str  # that must be importable, beside "" for none
    open: Callable[[Path], contextlib.AbstractContextManager[Make]]
    waits: str
    producers: int = 1
    consumers: int = 1
    list_calls: bool = False
    where: str = "processes"
    program: str = ""  # that must be on the path
    note: str = ""


def simple(make: Make) -> Callable[[Path], contextlib.AbstractContextManager[Make]]:
    """For a peer that needs nothing started."""

    @contextlib.contextmanager
    def opened(folder: Path) -> Iterator[Make]:
        yield make

    return opened
