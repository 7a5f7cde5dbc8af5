"""Put a run in the place of another of its name: judge, drain the old one, go on from its positions.

First the old run's sources rest, until it is seen to be empty: one that does not get empty in time goes on,
and the new one is refused. Then the old run closes its sources, lets everything in flight leave, and writes
how far each source had been read into its result; the new one begins there. Nothing is lost or doubled where
the source keeps a position (files, journals, tables, generators). Of the others the peers have to send again
what nobody answered for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from byteor.acts.drain import await_end
from byteor.errors import ByteorError, Exit
from byteor.runtime import folders
from byteor.runtime.adapter import Source
from byteor.runtime.control import Answer, ask, demand
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RunInfo, list_runs, name_lock, read_run, runtime_dir
from byteor.runtime.observe import RunObserver
from byteor.runtime.sample import RunSample
from byteor.runtime.words import plain
from byteor.spec import ValidatedSpec, check_document, read_document

MARGIN_S = 5.0  # beyond the drain's own limit: an abort, the last audit row, the process's end
MAX_LIMIT_S = 86_400.0  # that a run may be asked to drain for
HELD_S = 2.0  # longer than we look: whoever asked may be slow, but may also have died
_POLL_S = 0.01


@runtime_checkable
class Resumable(Protocol):
    """A source that can begin where another one stopped."""

    def resume(self, position: object) -> None: ...


def predecessor(name: str) -> RunInfo:
    """The live run called ``name``, or else the newest one that has ended and left its positions.

    The latter is what a replacement leaves whose new run did not start: the next attempt goes on from there.
    Raises ``E_RUN_NOT_FOUND``.
    """
    known = [info for info in list_runs() if info.identity.name == name]
    live = [info for info in known if info.alive]
    if live:
        return live[0]
    if known and known[0].result is not None and known[0].result.positions:
        return known[0]
    raise RunError(
        "E_RUN_NOT_FOUND",
        f"no run named {name} to replace",
        hint="byteor ps lists the runs; without --replace it is started anew",
        exit=Exit.NOT_FOUND,
    )


def judge(old: RunInfo, spec: ValidatedSpec, texts: Mapping[str, str]) -> None:
    """Raise ``E_REPLACE_REFUSED`` (exit 6) unless a run of ``spec`` may follow ``old`` without loss.

    ``texts`` are its sources by endpoint, as they were asked for.
    """
    from byteor.spec.compatibility import compatibility

    before = check_document(read_document(Path(old.folder) / folders.SPEC_KV)).required()
    verdict = compatibility(before, spec)
    if verdict.replace == "no":
        raise _refused(old, "; ".join(verdict.reasons[:3]), "byteor drain it, then start the new one alone")
    for worker in old.identity.workers:
        text = texts.get(worker.name)
        if worker.role != "source" or text is None:
            continue
        if text == "stdin:":
            raise _refused(old, "no other process can take over its stdin", "name a file, socket or journal")
        if plain(text) != worker.key:
            why = f"it reads {worker.key} at {worker.name}, the new one {plain(text)}"
            raise _refused(old, why, "a position in one source says nothing about another: name the same one")


def take_over(old: RunInfo, sources: Mapping[str, Source], drain_timeout_s: float) -> tuple[str, ...]:
    """Drain ``old``, wait until its name is free, and let ``sources`` (by endpoint) go on where it stopped.

    Returns the endpoints whose sources keep no position. Raises ``E_REPLACE_BUSY`` (exit 10) when ``old``
    does not get empty in time and goes on; ``E_REPLACE_UNCLEAN`` (exit 11) when messages of it went nowhere
    all the same; ``E_STILL_DRAINING``, ``E_RUN_SILENT``.
    """
    limit_s = drain_timeout_s + MARGIN_S
    if old.alive:
        _await_empty(old, min(drain_timeout_s, MAX_LIMIT_S))
        _ask_live(old, demand, "drain", min(drain_timeout_s, MAX_LIMIT_S))
        old = await_end(old, limit_s)
    _check_clean(old)
    _await_name(old.identity.name, limit_s)
    assert old.result is not None
    return _resume(sources, old.result.positions)


def _await_empty(old: RunInfo, limit_s: float) -> None:
    """Return when nothing is under way in ``old``, whose sources rest; or when it cannot be held (it is of an
    older version, or the kernel makes its messages) or ends by itself."""
    run = Path(old.folder)
    if not _ask_live(old, ask, "hold", min(limit_s + HELD_S, MAX_LIMIT_S)):
        return
    deadline = time.monotonic() + limit_s
    try:
        with RunObserver(run) as observer:
            while read_run(run).alive:
                sample = observer.sample()
                under_way = sum(max(0, lane.depth) for lane in sample.lanes)
                if not under_way:
                    return
                if time.monotonic() >= deadline:
                    raise _busy(old, sample, under_way, limit_s)
                time.sleep(_POLL_S)
    except BaseException:
        with contextlib.suppress(RunError):  # else it goes on by itself a little later
            ask(run, "resume")
        raise


def _ask_live(old: RunInfo, asking: Callable[[Path, str, float], Answer], what: str, limit_s: float) -> bool:
    """Whether it does so. False also when it is just coming to its end by itself. Raises ``E_RUN_SILENT``."""
    try:
        return asking(Path(old.folder), what, limit_s).ok
    except RunError:
        try:
            await_end(old, MARGIN_S)
        except RunError:
            pass
        else:
            return False
        raise


def _busy(old: RunInfo, sample: RunSample, under_way: int, limit_s: float) -> RunError:
    slowest = max(sample.workers, key=lambda worker: worker.lag)
    return RunError(
        "E_REPLACE_BUSY",
        f"{old.identity.run_id} has {under_way:,} messages under way after {limit_s:g} s, most of them before"
        f" {slowest.name}; it goes on as before, and the new run was not started",
        hint="a longer --drain-timeout; or byteor top shows who lags; or byteor stop it first, and lose them",
        exit=Exit.TIMEOUT,
    )


def _check_clean(old: RunInfo) -> None:
    result = old.result
    if result is None or result.state not in ("stopped", "finished"):
        why = f"it ended as {old.state}"
    elif result.stuck or result.unfinished:
        why = f"{result.unfinished:,} of its messages went nowhere"
    else:
        return
    raise RunError(
        "E_REPLACE_UNCLEAN",
        f"{old.identity.run_id} did not drain: {why}; the new run was not started",
        hint="look at it (byteor snapshot), then start the new one without --replace",
        exit=Exit.RUNTIME,
    )


def _resume(sources: Mapping[str, Source], positions: Mapping[str, object]) -> tuple[str, ...]:
    anew = []
    for endpoint, source in sources.items():
        position = positions.get(endpoint)
        if position is not None and isinstance(source, Resumable):
            source.resume(position)
        else:
            anew.append(endpoint)
    return tuple(anew)


def _await_name(name: str, timeout_s: float) -> None:
    """The old run's process holds the name a moment longer than its result takes to be written."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with name_lock(name, runtime_dir()):
                return
        except RunError as error:
            if error.exit != Exit.CONFLICT or time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_S)


def _refused(old: RunInfo, why: str, hint: str) -> RunError:
    return RunError(
        "E_REPLACE_REFUSED",
        f"it cannot take the place of {old.identity.run_id}: {why}",
        hint=hint,
        exit=Exit.CONFLICT,
    )


@contextlib.contextmanager
def explained(old: RunInfo | None) -> Iterator[None]:
    """An error that keeps the new run from starting says also that the old one has ended, and the way on."""
    try:
        yield
    except ByteorError as error:
        if old is not None:
            way = f"{old.identity.run_id} has ended; the same command again goes on from where it stopped"
            error.hint = f"{error.hint}; {way}" if error.hint else way
        raise


def inherited(old: RunInfo | None, role: str) -> tuple[str, ...]:
    """The sources or sinks of ``old`` as options would name them, for a new run that names none."""
    if old is None:
        return ()
    ends = [worker for worker in old.identity.workers if worker.role == role]
    if len(ends) == 1:
        return (ends[0].key,)
    return tuple(f"{worker.name}={worker.key}" for worker in ends)
