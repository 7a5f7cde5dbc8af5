"""Replays of this host, newest first, from their ``replay_audit.json``; every file is untrusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from byteor_tui.model.text import clean


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


MAX_BYTES = 1 << 20


class ReplaysTail:
    """Reads an audit file again only when it changed. ``folder`` holds those that this console asked for."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], Replay | None]] = {}

    def look(self, folder: Path, named: tuple[Path, ...]) -> tuple[Replay, ...]:
        """Every replay that can be read, the newest first."""
        found: dict[str, Replay] = {}
        for path in (*_audits_in(folder), *named):
            replay = self._read(path)
            if replay is not None:
                found[replay.path] = replay
        return tuple(sorted(found.values(), key=lambda one: -one.at_unix_ns))

    def _read(self, path: Path) -> Replay | None:
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, read_replay(path) if status.st_size <= MAX_BYTES else None)
            self._known[path] = known
        return known[1]


def _audits_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*/replay_audit.json"))[-200:]
    except OSError:
        return []


def read_replay(path: Path) -> Replay | None:
    """The replay that ``replay_audit.json`` tells of; None for anything else."""
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    result = _table(document.get("result"))
    policy, given = _table(document.get("policy")), _table(document.get("input"))
    first = _table(result.get("first_divergence"))
    counts = _table(result.get("counts"))
    decisions: dict[str, int] = {}
    actions = document.get("actions")
    for action in actions if isinstance(actions, list) else []:
        said = str(_table(action).get("decision", ""))
        decisions[said] = decisions.get(said, 0) + 1
    return Replay(
        id=clean(path.parent.name),
        at_unix_ns=_number(document.get("created_unix_ms")) * 1_000_000,
        source=clean(str(document.get("bundle_dir") or given.get("journal_path") or path.parent.name)),
        mode=clean(str(policy.get("mode", ""))),
        spec_hash=clean(str(document.get("spec_sha256", ""))),
        records=_number(given.get("scanned_records")),
        counts=tuple((clean(str(name)), _number(value)) for name, value in counts.items()),
        first=clean(_first(first)),
        expected=clean(str(first.get("expected") or "")),
        actual=clean(str(first.get("actual") or "")),
        withheld=_number(result.get("withheld")),
        decisions=tuple((clean(name), number) for name, number in decisions.items() if name),
        certificate=clean(str(result.get("certificate") or "")),
        path=str(path),
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _first(found: dict[str, Any]) -> str:
    """``data at stage X, record 5`` from whatever of it is told."""
    if not found:
        return ""
    words = [str(found.get("verdict") or "differs")]
    words += [
        f"{name} {found[name]}"
        for name in ("stage", "egress", "ingress", "origin", "sequence")
        if name in found
    ]
    return ", ".join(words)
