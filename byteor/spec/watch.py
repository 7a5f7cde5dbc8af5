"""Watch folders and files: what changed is validated again and compared with its last valid version.

A ``Board`` is the memory of a watch and can be driven by anything that knows when to look; ``watch`` drives
it by file-system events, and by rescans where there are none.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from byteor.spec.diff import SpecDiff, diff
from byteor.spec.discover import find_documents, is_document_name
from byteor.spec.document import read_document
from byteor.spec.errors import SpecError
from byteor.spec.files import read_bounded
from byteor.spec.finding import Finding
from byteor.spec.validate import check_document
from byteor.spec.validated import ValidatedSpec

_STEP_MS = 10
_GROUP_MS = 40
_LOOK_MS = 200
_RESCAN_S = 1.0
_POLL_S = 0.04
_MISSED_EVENTS = 3  # unannounced changes before events are given up


class Event(msgspec.Struct, frozen=True):
    """What became of one file. ``state`` is ok, failed or removed.

    ``difference`` compares with the last valid version (``None`` on first sight), ``new_failure`` is True
    when the file was right or unknown before, ``renamed_from`` is its former path, ``stale`` names compiled
    specs beside a plan that no longer are what it lowers to.
    """

    path: str
    state: str
    spec_hash: str | None = None
    findings: tuple[Finding, ...] = ()
    difference: SpecDiff | None = None
    new_failure: bool = False
    renamed_from: str | None = None
    stale: tuple[str, ...] = ()


class _Seen(msgspec.Struct):
    digest: bytes
    stamp: tuple[int, ...]
    ok: bool
    valid: ValidatedSpec | None  # the last valid version
    gone: bool = False


class Board:
    """What is known of every file under ``paths``. Not for use by several threads at once."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self._seen: dict[str, _Seen] = {}

    def scan(self, only: Iterable[str] | None = None, *, by_content: bool = False) -> list[Event]:
        """Look at ``only`` these files (``None``: at all) and tell what changed since the last look.

        Unless ``by_content``, a file whose size, times and inode are as before is taken as unchanged.
        """
        if only is None:
            present = [path for path in find_documents(self.paths) if os.path.lexists(path)]
            known = [path for path, seen in self._seen.items() if not seen.gone]
            names = list(dict.fromkeys([*present, *known]))
        else:
            names = sorted(path for path in set(only) if self._concerns(path))
        gone: list[str] = []
        changed: list[tuple[str, bytes, tuple[int, ...]]] = []
        for path in names:
            stamp = _stamp(path)
            seen = self._seen.get(path)
            if stamp is None:
                if seen is not None and not seen.gone:
                    gone.append(path)
                continue
            if seen is not None and not seen.gone and not by_content and seen.stamp == stamp:
                continue
            digest = _digest(path)
            if seen is not None and not seen.gone and seen.digest == digest:
                seen.stamp = stamp
            else:
                changed.append((path, digest, stamp))
        return self._apply(gone, changed)

    def _concerns(self, path: str) -> bool:
        return path in self.paths or is_document_name(os.path.basename(path))  # noqa: PTH119

    def _apply(self, gone: list[str], changed: list[tuple[str, bytes, tuple[int, ...]]]) -> list[Event]:
        renamed: dict[str, str] = {}
        vanished = {self._seen[path].digest: path for path in gone}
        for path, digest, _ in changed:
            if path not in self._seen and digest in vanished:
                renamed[path] = vanished.pop(digest)
        events = []
        for path in gone:
            self._seen[path].gone = True
            if path not in renamed.values():
                events.append(Event(path, "removed"))
        for path, digest, stamp in changed:
            before = self._seen.get(renamed.get(path, path))
            events.append(self._judge(path, digest, stamp, before, renamed.get(path)))
        return events

    def _judge(
        self, path: str, digest: bytes, stamp: tuple[int, ...], before: _Seen | None, renamed_from: str | None
    ) -> Event:
        try:
            report = check_document(read_document(path))
            valid, findings = report.spec, report.plan_diagnostics
        except SpecError as error:
            valid, findings = None, error.findings
        last = before.valid if before is not None else None
        was_ok = before is None or before.ok
        self._seen[path] = _Seen(digest, stamp, valid is not None, valid or last)
        difference = diff(last, valid) if last is not None and valid is not None else None
        return Event(
            path,
            "ok" if valid is not None else "failed",
            None if valid is None else valid.spec_hash,
            findings,
            difference,
            new_failure=valid is None and was_ok,
            renamed_from=renamed_from,
            stale=() if valid is None else _stale(path, valid.spec_hash),
        )

    @property
    def failed(self) -> list[str]:
        """The files that are there and not right."""
        return [path for path, seen in self._seen.items() if not seen.ok and not seen.gone]


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _digest(path: str) -> bytes:
    """Of the content; of the reason when it cannot be read, so that a reason is told once."""
    try:
        return hashlib.sha256(read_bounded(path)).digest()
    except SpecError as error:
        return error.code.encode()


def _stale(path: str, spec_hash: str) -> tuple[str, ...]:
    """``x.spec.kv`` beside ``x.plan.*``, when it no longer is what the plan lowers to."""
    folder, name = os.path.split(path)
    stem, mark, _ = name.partition(".plan.")
    compiled = os.path.join(folder, f"{stem}.spec.kv")  # noqa: PTH118
    if not mark or not os.path.isfile(compiled):  # noqa: PTH113
        return ()
    try:
        other = check_document(read_document(compiled)).spec
    except SpecError:
        return ()
    return (compiled,) if other is not None and other.spec_hash != spec_hash else ()


def watch(
    paths: Sequence[str], *, stop: threading.Event | None = None, poll: bool = False
) -> Iterator[list[Event]]:
    """Yield what changed: first the state of everything, then a list after each change, until ``stop`` is
    set.

    A save is told within 100 ms. ``poll`` never asks for events but rescans contents; this is also what
    happens where changes turn up that no event announced, or where no watch can be set up.
    """
    stop = stop or threading.Event()
    board = Board(paths)
    yield board.scan()
    if not poll:
        yield from _by_events(board, stop)
    while not stop.is_set():
        stop.wait(_POLL_S)
        events = board.scan(by_content=True)
        if events:
            yield events


def _by_events(board: Board, stop: threading.Event) -> Iterator[list[Event]]:
    """Until ``stop``, or until it is plain that the file system announces nothing."""
    import watchfiles

    folders = {path for path in board.paths if os.path.isdir(path)}  # noqa: PTH112
    parents = {os.path.dirname(path) or "." for path in board.paths if path not in folders}  # noqa: PTH120
    watched = sorted(path for path in folders | parents if os.path.isdir(path))  # noqa: PTH112
    spelled = {os.path.realpath(path): path for path in watched}
    missed = 0
    last_rescan = 0.0  # the first look catches what was saved before the watch stood
    try:
        for announced in watchfiles.watch(
            *watched,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            recursive=bool(folders),
        ):
            if announced:
                events = board.scan(_as_given(path, spelled) for _, path in announced)
                missed = 0
            elif time.monotonic() - last_rescan >= _RESCAN_S:
                events = board.scan()
                missed += bool(events) and last_rescan > 0
                last_rescan = time.monotonic()
            else:
                continue
            if events:
                yield events
            if missed >= _MISSED_EVENTS:
                return
    except (OSError, RuntimeError):  # no watches left, or a file system without any: rescan instead
        return


def _as_given(path: str, spelled: dict[str, str]) -> str:
    """``path`` as the caller spelled its folder: events carry absolute, resolved paths."""
    for real, given in spelled.items():
        if path.startswith(real + os.sep):
            rest = path[len(real) + 1 :]
            return rest if given == "." else os.path.join(given, rest)  # noqa: PTH118
    return path
