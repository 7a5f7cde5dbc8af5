"""The spec that runs, the one on disk and every version the host still has: what differs, and what is wrong.

``SpecBoard`` looks at files by size and times, ten times a second, and reads them when those changed: a saved
file shows within 200 ms.
"""

from __future__ import annotations

import difflib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import ByteorError
from byteor_tui.model.text import clean
from byteor_tui.model.topology import Topology, topology_of

if TYPE_CHECKING:
    from byteor.spec import ValidatedSpec

RUNNING_FILE = "spec.kv"
CONTEXT = 2
MAX_FOUND = 200
LOOK_AGAIN_S = 1.0


class DiffLine(msgspec.Struct, frozen=True):
    """``op`` is ``@`` (a hunk begins), `` ``, ``-`` or ``+``; ``hunk`` counts from 0."""

    op: str
    text: str
    hunk: int


class Change(msgspec.Struct, frozen=True):
    """One difference by structure, in words."""

    op: str
    path: str
    text: str


class SpecText(msgspec.Struct, frozen=True):
    """A spec by where it is from. ``lines`` is its canonical text."""

    label: str
    path: str
    name: str = ""
    spec_hash: str = ""
    lines: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    code: str
    place: str
    message: str


class Asked(msgspec.Struct, frozen=True):
    """The spec that a request asks for, against what runs. ``path`` is empty when it is not on this host."""

    spec_hash: str
    path: str = ""
    base: str = ""
    diff: tuple[DiffLine, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class SpecFacts(msgspec.Struct, frozen=True):
    """``b`` is None when there is no file; ``problems`` are those of its file as it is now.

    ``home`` is the file that the console began with, when another is compared now. ``request`` is the spec
    hash of the request whose two specs these are, and empty of all others.
    """

    a: SpecText | None = None
    b: SpecText | None = None
    problems: tuple[Problem, ...] = ()
    diff: tuple[DiffLine, ...] = ()
    changes: tuple[Change, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    topology: Topology = Topology()
    versions: tuple[SpecText, ...] = ()
    home: SpecText | None = None
    asked: Asked | None = None
    request: str = ""

    @property
    def hunks(self) -> int:
        return 1 + max((line.hunk for line in self.diff), default=-1)


class SpecBoard:
    """What is compared: side a (what runs, unless ``left`` names a file) and side b (the file on disk).

    ``run_folder``, ``left``, ``right``, ``asked`` (the spec hash of a request), ``request`` (the same, to be
    side b instead, against what runs) and ``pinned_hash`` (another spec, which ran at the pinned moment) are
    set by the screen's thread and read by the collector's.
    """

    def __init__(self, given: Path | None = None) -> None:
        self.run_folder: Path | None = None
        self.left: Path | None = None
        self.right: Path | None = given
        self.asked = ""
        self.request = ""
        self.pinned_hash = ""
        self._given = self._home = given
        self._stamps: tuple[object, ...] = ()
        self._again_s = 0.0
        self._facts = SpecFacts()
        self._topologies: dict[Path, Topology] = {}
        self._requested: tuple[tuple[object, ...], SpecFacts, SpecFacts] | None = None

    def look(self) -> SpecFacts:
        """The comparison as it is now; the same object while nothing changed."""
        running = self.run_folder / RUNNING_FILE if self.run_folder is not None else None
        facts = self._look(running)
        request = self.request
        return self._of_request(request, running, facts) if request else facts

    def _of_request(self, request: str, running: Path | None, facts: SpecFacts) -> SpecFacts:
        """The two specs of a request instead. ``facts`` say where the asked one lies."""
        path = find_spec(request, facts)
        stamps = (request, running, stamp(running), path, stamp(path))
        if self._requested is None or self._requested[0] != stamps or self._requested[1] is not facts:
            self._requested = (stamps, facts, of_request(request, path, running, facts))
        return self._requested[2]

    def _look(self, running: Path | None) -> SpecFacts:
        pinned = self._of(self.pinned_hash) if self.pinned_hash else None
        a, b = (pinned, running) if pinned is not None else (self.left or running, self.right)
        stamps, now_s = (a, stamp(a), b, stamp(b), running), time.monotonic()
        alone = b is None and running is not None and not self._facts.versions
        if stamps != self._stamps or (alone and now_s >= self._again_s):
            self._stamps, self._again_s = stamps, now_s + LOOK_AGAIN_S  # every run's folder is read for it
            self._facts = self._compare(a, b, running)
        asked, known = self.asked, self._facts.asked
        if asked and (known is None or known.spec_hash != asked or not known.path):
            found = asked_spec(asked, running, self._facts)
            if found != known:
                self._facts = msgspec.structs.replace(self._facts, asked=found)
        return self._facts

    def _of(self, spec_hash: str) -> Path | None:
        """The file of what ran at the pinned moment, when that was another spec."""
        return next((Path(one.path) for one in self._facts.versions if one.spec_hash == spec_hash), None)

    def _compare(self, a: Path | None, b: Path | None, running: Path | None) -> SpecFacts:
        versions = known_versions(running)
        label = "running" if a == running else _file_label(a)
        text_a, spec_a, _ = read_spec(a, label)
        if b is None and spec_a is not None and self._given is None:
            b = self.right = self._home = _on_disk(spec_a.name)
            self._stamps = (a, stamp(a), b, stamp(b), running)
        text_b, spec_b, problems = read_spec(b, _file_label(b))
        home = read_spec(self._home, _file_label(self._home))[0] if self._home not in (a, b) else None
        topology = self._topology(running, spec_a if a == running else None)
        if spec_a is None or spec_b is None:
            return SpecFacts(text_a, text_b, problems, topology=topology, versions=versions, home=home)
        found = compared(spec_a, spec_b, text_a, text_b, problems, topology, versions)
        return msgspec.structs.replace(found, home=home)

    def _topology(self, running: Path | None, spec: ValidatedSpec | None) -> Topology:
        if running is None:
            return Topology()
        if running not in self._topologies:
            if spec is None:
                spec = read_spec(running, "running")[1]
            if spec is None:
                return Topology()
            self._topologies = {running: topology_of(spec.spec)}
        return self._topologies[running]


def compared(
    spec_a: ValidatedSpec,
    spec_b: ValidatedSpec,
    text_a: SpecText | None,
    text_b: SpecText | None,
    problems: tuple[Problem, ...],
    topology: Topology,
    versions: tuple[SpecText, ...],
) -> SpecFacts:
    """Lines, structure and capabilities that differ."""
    from byteor.spec.diff import diff

    found = diff(spec_a, spec_b)
    return SpecFacts(
        a=text_a,
        b=text_b,
        problems=problems,
        diff=diff_lines(_lines(spec_a), _lines(spec_b)),
        changes=tuple(
            Change(c.op, clean(c.path), clean(_change_text(c.op, c.a, c.b))) for c in found.changes
        ),
        gained=found.gained,
        lost=found.lost,
        topology=topology,
        versions=versions,
    )


def asked_spec(spec_hash: str, running: Path | None, facts: SpecFacts) -> Asked:
    """The spec with this hash against what runs; against nothing when nothing does."""
    path = find_spec(spec_hash, facts)
    if path is None:
        return Asked(spec_hash)
    _, spec, _ = read_spec(path, "")
    _, base, _ = read_spec(running, "running")
    if spec is None or spec.spec_hash != spec_hash:
        return Asked(spec_hash)
    if base is None:
        return Asked(spec_hash, str(path), "", diff_lines((), _lines(spec)), spec.capabilities)
    gained = tuple(sorted(set(spec.capabilities) - set(base.capabilities)))
    lost = tuple(sorted(set(base.capabilities) - set(spec.capabilities)))
    return Asked(spec_hash, str(path), base.spec_hash, diff_lines(_lines(base), _lines(spec)), gained, lost)


def of_request(spec_hash: str, path: Path | None, running: Path | None, facts: SpecFacts) -> SpecFacts:
    """What runs against the asked spec alone; side b is None where the file in ``path`` is not that one."""
    text_a, spec_a, _ = read_spec(running, "running")
    text_b, spec_b, _ = read_spec(path, "asked")
    known = SpecFacts(text_a, topology=facts.topology, versions=facts.versions, asked=facts.asked)
    if spec_b is None or spec_b.spec_hash != spec_hash:
        return msgspec.structs.replace(known, request=spec_hash)
    if spec_a is None:
        found = msgspec.structs.replace(known, a=None, b=text_b, diff=diff_lines((), _lines(spec_b)))
    else:
        found = compared(spec_a, spec_b, text_a, text_b, (), facts.topology, facts.versions)
    return msgspec.structs.replace(found, asked=facts.asked, request=spec_hash)


def diff_lines(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[DiffLine, ...]:
    """Unified hunks of two texts, with ``CONTEXT`` lines around each."""
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    lines: list[DiffLine] = []
    for hunk, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        first, last = group[0], group[-1]
        head = f"lines {first[1] + 1}-{last[2]} -> {first[3] + 1}-{last[4]}"
        lines.append(DiffLine("@", head, hunk))
        for op, i, j, k, m in group:
            if op == "equal":
                lines += [DiffLine(" ", line, hunk) for line in a[i:j]]
                continue
            lines += [DiffLine("-", line, hunk) for line in a[i:j]]
            lines += [DiffLine("+", line, hunk) for line in b[k:m]]
    return tuple(lines)


def read_spec(
    path: Path | None, label: str
) -> tuple[SpecText | None, ValidatedSpec | None, tuple[Problem, ...]]:
    """The spec in ``path`` (a plan is lowered) or what is wrong with it."""
    if path is None:
        return None, None, ()
    from byteor.spec import SpecError, check_document, read_document

    try:
        report = check_document(read_document(path))
        spec = report.spec
        problems = tuple(
            Problem(one.code, str(one.where.line or ""), clean(one.message))
            for one in report.plan_diagnostics
        )
    except SpecError as error:
        found = tuple(
            Problem(one.code, str(one.where.line or ""), clean(one.message)) for one in error.findings
        )
        return SpecText(label, str(path)), None, found
    except (ByteorError, OSError) as error:
        return SpecText(label, str(path)), None, (Problem("E_FILE", "", clean(str(error))),)
    if spec is None:
        return SpecText(label, str(path)), None, problems
    name, rights = clean(spec.name), tuple(map(clean, spec.capabilities))
    return SpecText(label, str(path), name, spec.spec_hash, _lines(spec), rights), spec, problems


def known_versions(running: Path | None) -> tuple[SpecText, ...]:
    """One row a spec hash that a run on this host still has, newest first."""
    if running is None:
        return ()
    from byteor.runtime.folders import list_runs

    found: dict[str, SpecText] = {}
    try:
        runs = list_runs()
    except (ByteorError, OSError):
        return ()
    for info in runs[:MAX_FOUND]:
        path = Path(info.folder, RUNNING_FILE)
        who = info.identity
        if who.spec_hash not in found and path.exists():
            found[who.spec_hash] = SpecText(clean(who.run_id), str(path), clean(who.pipeline), who.spec_hash)
    return tuple(found.values())


def find_spec(spec_hash: str, facts: SpecFacts) -> Path | None:
    """Where the spec with this hash lies here: what is compared, the file of the start, or a run's copy."""
    sides = [side for side in (facts.a, facts.b, facts.home) if side is not None]
    for one in (*sides, *facts.versions):
        if one.spec_hash == spec_hash:
            return Path(one.path)
    return None


def stamp(path: Path | None) -> tuple[int, ...]:
    """Different when the file was written, replaced or removed."""
    if path is None:
        return ()
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return (0,)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _on_disk(name: str) -> Path | None:
    """The first document in the current folder or its ``specs`` that lowers to a spec of this name.

    Not deeper: somebody may stand in a home folder with a million files.
    """
    from byteor.spec.discover import is_document_name

    here = [path for folder in (Path(), Path("specs")) for path in _files(folder)]
    for path in [path for path in here if is_document_name(path.name)][:MAX_FOUND]:
        try:
            if name.encode() not in path.read_bytes()[: 1 << 16]:
                continue
        except OSError:
            continue
        text, spec, _ = read_spec(path, "")
        if spec is not None and text is not None and spec.name == name:
            return path
    return None


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []


def _lines(spec: ValidatedSpec) -> tuple[str, ...]:
    return tuple(spec.canonical.decode("ascii", "replace").splitlines())


def _file_label(path: Path | None) -> str:
    if path is None:
        return ""
    return clean(path.parent.name if path.name == RUNNING_FILE else path.name)


def _change_text(op: str, a: object, b: object) -> str:
    if op == "added":
        return f"{b}"
    return f"{a}" if op == "removed" else f"{a} -> {b}"
