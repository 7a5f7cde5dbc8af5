"""Replays of this host, newest first, from their ``replay_audit.json``; every file is untrusted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from byteor_tui.model.text import clean

DIFFERENCES = ("data", "order", "missing", "extra")
CERTIFICATE = "replay_certificate.dsse"
_STAMP = re.compile(r"\.\d{8}T\d{6}(\.\d{3})?Z$")


class Replay(msgspec.Struct, frozen=True):
    """One replay. ``counts`` are outputs per verdict, ``first`` names the first divergence (empty: none).

    ``digest`` is the SHA-256 of its certificate, by which a request shows it. ``from_start`` is False where
    it began in the middle of the run: stages that remember began empty, which alone makes outputs differ.
    """

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
    what: str = ""
    failed: str = ""
    stage: str = ""
    digest: str = ""
    took_ns: int = 0
    from_start: bool = True

    @property
    def short(self) -> str:
        """The part of what was replayed that differs from others of its pipeline."""
        return (self.what or self.id)[-20:].lstrip("-")

    @property
    def diverged(self) -> int:
        return sum(number for name, number in self.counts if name in DIFFERENCES)

    @property
    def in_doubt(self) -> bool:
        """Whether outputs differ that might not, had the replay begun where the run did."""
        return self.diverged > 0 and not self.from_start

    @property
    def verdict(self) -> str:
        if self.in_doubt:
            return f"{self.diverged} differ?"
        if self.diverged:
            return f"{self.diverged} diverged"
        return "failed" if self.failed else "equal"


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
    found = document.get("actions")
    acts = found if isinstance(found, list) else []
    for act in acts:
        said = f"{_table(act).get('decision', '')} {_table(act).get('action', '')}".strip()
        decisions[said] = decisions.get(said, 0) + _number(_table(act).get("messages", 1))
    certificate = path.parent / CERTIFICATE
    return Replay(
        id=clean(path.parent.name),
        at_unix_ns=_number(document.get("created_unix_ms")) * 1_000_000,
        source=clean(str(document.get("bundle_dir") or given.get("journal_path") or path.parent.name)),
        mode=clean(str(policy.get("mode", ""))),
        spec_hash=clean(str(document.get("spec_sha256", ""))),
        records=_number(given.get("last_n")),
        took_ns=_nanoseconds(result.get("duration_ns")),
        from_start=result.get("from_start") is not False,
        counts=tuple((clean(str(name)), _number(value)) for name, value in counts.items()),
        failed=clean(str(_table(result.get("failure")).get("error") or "")),
        first=clean(_first(first)),
        expected=payload(first.get("expected_hex")),
        actual=payload(first.get("actual_hex")),
        withheld=sum(_number(_table(act).get("messages")) for act in acts if _withheld(act)),
        decisions=tuple((clean(name), number) for name, number in decisions.items() if name),
        certificate=str(certificate) if certificate.exists() else "",
        path=str(path),
        digest=_digest(certificate),
        stage=clean(str(first.get("stage") or "")),
        what=clean(_STAMP.sub("", path.parent.name)),
    )


def _digest(certificate: Path) -> str:
    try:
        return "sha256:" + hashlib.sha256(certificate.read_bytes()).hexdigest()
    except OSError:
        return ""


def payload(hexed: object) -> str:
    """The bytes as text when they are text, else in hex, in pairs; empty for what is no hex."""
    try:
        data = bytes.fromhex(hexed) if isinstance(hexed, str) else b""
    except ValueError:
        return ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex(" ")
    return text if text.isprintable() else data.hex(" ")


def _withheld(act: object) -> bool:
    return str(_table(act).get("decision", "")) in {"replaced", "DryRunOnly"}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _nanoseconds(value: object) -> int:
    """A span of time as the audit writes it: digits as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _first(found: dict[str, Any]) -> str:
    """``data at stage X, record 5`` from whatever of it is told."""
    if not found:
        return ""
    words = [str(found.get("verdict") or "differs")]
    names = ("stage", "egress", "sequence", "k", "last_equal_sequence")
    words += [f"{name.replace('_', ' ')} {found[name]}" for name in names if found.get(name) is not None]
    return ", ".join(words)
