"""Replays of this host, newest first, from their ``replay_audit.json``; every file is untrusted."""

from __future__ import annotations

import msgspec


class Replay(msgspec.Struct, frozen=True):
    """One replay. ``counts`` are outputs per verdict, ``first`` names the first divergence (empty: none)."""

    id: str
    at_unix_ns: int
    source: str
    mode: str
    spec_hash: str
    records: int
    counts: tuple[tuple[str, int], ...]
    first: str = ""
    expected: str = ""
    actual: str = ""
    withheld: int = 0
    decisions: tuple[tuple[str, int], ...] = ()
    certificate: str = ""
    path: str = ""

    @property
    def diverged(self) -> int:
        return sum(number for name, number in self.counts if name != "equal")

    @property
    def verdict(self) -> str:
        return f"{self.diverged} diverged" if self.diverged else "equal"
