"""Watch folders and files: what changed is validated again and compared with its last valid version.

A ``Board`` is the memory of a watch and can be driven by anything that knows when to look; ``watch`` drives
it by file-system events, and by rescans where there are none.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
_POLL_S = 0.06
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
    stale: tuple[str, ...] = ()
    gone: bool = False


class Board:
    """What is known of every file under ``paths``. Not for use by several threads at once."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.folders = tuple(path for path in self.paths if os.path.isdir(path))  # noqa: PTH112
        self._seen: dict[str, _Seen] = {}

    def scan(self, only: Iterable[str] | None = None, *, by_content: bool = False) -> list[Event]:
        """Look at ``only`` these files (``None``: at all) and tell what changed since the last look.

        Unless ``by_content``, a file whose size, times and inode are as before is taken as unchanged.
        """
        stamps: dict[str, tuple[int, ...] | None] = {}
        if only is None:
            stamps = {path: _stamp(path) for path in find_documents(self.paths)}
            for path in [path for path, seen in self._seen.items() if not seen.gone and path not in stamps]:
                # A folder is only told while it cannot be listed.
                stamps[path] = None if os.path.isdir(path) else _stamp(path)  # noqa: PTH112
        else:
            stamps = {path: _stamp(path) for path in sorted(set(only)) if self._concerns(path)}
        gone: list[str] = []
        changed: list[tuple[str, bytes, tuple[int, ...]]] = []
        for path, stamp in stamps.items():
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
        """Whether ``path`` is given, or what ``find_documents`` would find below a given folder."""
        if path in self.paths:
            return True
        folder, name = os.path.split(path)
        return (
            is_document_name(name)
            and not os.path.isdir(path)  # noqa: PTH112
            and any(_descends(given, folder) for given in self.folders)
        )

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
        told = {event.path for event in events}
        for plan in self._plans_beside([*gone, *(path for path, _, _ in changed)]):
            seen = self._seen[plan]
            if plan not in told and seen.ok:
                before = msgspec.structs.replace(seen)
                event = self._judge(plan, seen.digest, seen.stamp, before, None)
                if event.stale != before.stale:
                    events.append(event)
        return events

    def _plans_beside(self, paths: Iterable[str]) -> list[str]:
        """The watched plans that a spec of these may have been compiled from."""
        stems = [path.removesuffix(".spec.kv") for path in paths if path.endswith(".spec.kv")]
        names = [f"{stem}.plan.{suffix}" for stem in stems for suffix in ("kv", "json", "toml")]
        return [name for name in names if name in self._seen and not self._seen[name].gone]

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
        stale = () if valid is None else _stale(path, valid.spec_hash)
        self._seen[path] = _Seen(digest, stamp, valid is not None, valid or last, stale)
        difference = diff(last, valid) if last is not None and valid is not None else None
        return Event(
            path,
            "ok" if valid is not None else "failed",
            None if valid is None else valid.spec_hash,
            findings,
            difference,
            new_failure=valid is None and was_ok,
            renamed_from=renamed_from,
            stale=stale,
        )

    @property
    def failed(self) -> list[str]:
        """The files that are there and not right."""
        return [path for path, seen in self._seen.items() if not seen.ok and not seen.gone]


def _descends(given: str, folder: str) -> bool:
    """Whether a walk from ``given`` comes to ``folder``: no hidden folder and no link on the way."""
    top = os.path.join(given, "")  # noqa: PTH118
    rest = os.path.join(folder, "").removeprefix(top)  # noqa: PTH118
    if not os.path.join(folder, "").startswith(top):  # noqa: PTH118
        return False
    place = given
    for name in rest.split("/")[:-1]:
        place = os.path.join(place, name)  # noqa: PTH118
        if name.startswith(".") or os.path.islink(place):  # noqa: PTH114
            return False
    return True


def _stamp(path: str) -> tuple[int, ...] | None:
    """``None`` when nothing is there; what is there and cannot be looked at has a stamp too."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        try:
            status = os.lstat(path)  # a link to nothing
        except OSError:
            return None
    except (OSError, ValueError):
        return ()
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

    A save is told within 100 ms. ``poll`` never asks for events but looks at sizes and times, and once a
    second at contents (times may be coarse); this is also what happens where changes turn up that no event
    announced, or where no watch can be set up.
    """
    stop = stop or threading.Event()
    board = Board(paths)
    yield board.scan()
    if not poll:
        yield from _by_events(board, stop)
    read = 0.0
    while not stop.is_set():
        stop.wait(_POLL_S)
        by_content = time.monotonic() - read >= _RESCAN_S
        events = board.scan(by_content=by_content)
        read = time.monotonic() if by_content else read
        if events:
            yield events


def _by_events(board: Board, stop: threading.Event) -> Iterator[list[Event]]:
    """Until ``stop``, or until it is plain that the file system announces nothing."""
    import watchfiles

    given = {path: os.path.realpath(path) for path in board.folders}
    files = [path for path in board.paths if path not in given]
    # A watch is recursive or not as a whole: files beside folders are looked at instead.
    apart = files if given else []
    given |= {} if given else {folder: os.path.realpath(folder) for folder in map(os.path.dirname, files)}
    watched = sorted({real for real in given.values() if os.path.isdir(real)})  # noqa: PTH112
    missed = 0
    last_rescan = 0.0  # the first look catches what was saved before the watch stood
    try:
        for announced in watchfiles.watch(
            *watched,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            rust_timeout=int(_POLL_S * 1000) if apart else _LOOK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            recursive=bool(board.folders),
        ):
            if announced:
                names = {name for _, path in announced for name in _as_given(path, given)}
                events = board.scan(names | set(apart))
                missed = 0
            elif time.monotonic() - last_rescan >= _RESCAN_S:
                events = board.scan()
                missed += bool(events) and last_rescan > 0
                last_rescan = time.monotonic()
            else:
                events = board.scan(apart)
            if events:
                yield events
            if missed >= _MISSED_EVENTS:
                return
    except (OSError, RuntimeError):  # no watches left, or a file system without any: rescan instead
        return


def _as_given(path: str, given: Mapping[str, str]) -> Iterator[str]:
    """``path``, which is resolved, as ``find_documents`` spells it below each of the ``given`` folders."""
    for folder, real in given.items():
        top = os.path.join(real, "")  # noqa: PTH118
        if path.startswith(top):
            yield os.path.join(folder, path.removeprefix(top))  # noqa: PTH118
