"""The log pane's memory: what was done and what came of it. Bounded; entries are values."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from byteor_tui.model.view import LogEntry

KEPT = 200


class Log:
    """Entries by number, oldest first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, LogEntry] = OrderedDict()
        self._next = 1

    def add(self, entry: LogEntry) -> int:
        """Append, forget the oldest beyond ``KEPT``, and return the entry's number."""
        number = self._next
        self._next += 1
        self._entries[number] = entry
        if len(self._entries) > KEPT:
            self._entries.popitem(last=False)
        return number

    def settle(self, number: int, *, ok: bool, audit_seq: int | None) -> None:
        """Say what came of an entry that was running; one that has been forgotten stays forgotten."""
        entry = self._entries.get(number)
        if entry is not None:
            self._entries[number] = msgspec.structs.replace(entry, ok=ok, audit_seq=audit_seq)

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        return tuple(self._entries.values())

    @property
    def running(self) -> int:
        """Acts in flight."""
        return sum(entry.ok is None for entry in self._entries.values())

    @property
    def last_command(self) -> str | None:
        """The newest command line, as a person would type it."""
        return next((entry.text for entry in reversed(self._entries.values()) if entry.command), None)
