"""Run a pipeline as an operator means it: load, prepare, audit, execute, audit."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from byteor.acts.attend import Attendants, OnRunning, attend
from byteor.acts.audit import record, record_end, record_missed
from byteor.acts.ends import check_ends, match_ends
from byteor.acts.governed import ask
from byteor.acts.permit import Permit
from byteor.acts.question import Question
from byteor.acts.recorder import Recorder
from byteor.acts.replace import explained, inherited, judge, predecessor, take_over
from byteor.acts.run_capture import capture_for
from byteor.edge import parse_sink, parse_source
from byteor.errors import Where
from byteor.runtime.ends import Ends
from byteor.runtime.execute import Ended, engines, execute
from byteor.runtime.folders import RunIdentity, RunInfo, RunResult, WorkerIdentity, list_runs, runtime_dir
from byteor.runtime.identity import workers_of
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.prepare import Prepared, prepare
from byteor.runtime.process import free_cores
from byteor.runtime.sharing import group_id
from byteor.runtime.stages import StageError
from byteor.runtime.tuning import profile_of
from byteor.runtime.wiring import SINK, SOURCE
from byteor.runtime.wiring.groups import Executor, form_groups
from byteor.runtime.words import plain
from byteor.spec import Document, PipelinePlanV2, SingleRing, check_document, read_document


class RunOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. Times in seconds."""

    spec: Path
    sources: tuple[str, ...] = ()  # KIND:ARG, or NAME=KIND:ARG where there are several endpoints
    sinks: tuple[str, ...] = ()
    name: str | None = None
    stage_modules: tuple[str, ...] = ()
    run_for_s: float | None = None
    max_messages: int | None = None
    wait: str | None = None  # None: as the profile says
    drain_timeout_s: float = 5.0
    stage_timeout_s: float = 60.0  # that a stage may work without a sign of life; 0: for ever
    stage_memory_bytes: int = 0  # of each stage process; 0: no limit
    profile: str = "default"
    metrics_addr: str | None = None
    group: str | None = None  # of the people who may look at the run
    replace: bool = False  # take the place of the run of this name, which is drained
    executor: Executor = "auto"
    seed: int | None = None
    dead_letters: Path | None = None  # where messages go that nobody can deliver...
    set_aside_oversize: bool = False  # ...and those that fit no slot, which end the run otherwise
    capture: str = "on"  # on, off, or best-effort
    capture_egress: str = "payload"  # or digest
    question: Question = Question()  # under which environment and approval


class ReadyRun(msgspec.Struct, frozen=True):
    """Everything checked, nothing started. Texts of sources and sinks by endpoint, as they were asked for."""

    name: str
    prepared: Prepared
    ends: Ends
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    old: RunInfo | None = None  # whose place it takes


class EndedRun(msgspec.Struct, frozen=True):
    """How a run ended. ``audit_seq`` is the row that says so; ``incident_id`` of one that failed."""

    result: RunResult
    kernel: str
    signal: int | None
    audit_seq: int
    incident_id: str | None = None
    not_captured: int = 0  # messages that a best-effort capture had no room for
    notes: tuple[str, ...] = ()  # what was decided at the start, see ``RunIdentity``


def ready(order: RunOrder) -> ReadyRun:
    """Read, validate, resolve and parse everything that was named; a typo must not run as a default.

    Raises ``SpecError``, ``StageError``, ``EdgeError`` or ``RunError``; nothing was started or written.
    """
    document = read_document(order.spec, strict=True)
    spec = check_document(document).required()
    try:
        prepared = prepare(spec, order.stage_modules)
    except StageError as error:
        error.where = _place(document, error.where)
        raise
    profile_of(order.profile)
    if order.group is not None:
        group_id(order.group)
    name, wiring = order.name or spec.name, prepared.wiring
    old = predecessor(name) if order.replace else None
    reads, writes = order.sources or inherited(old, SOURCE), order.sinks or inherited(old, SINK)
    sources = match_ends([w.name for w in wiring.of_role(SOURCE)], reads, "--source", "stdin:")
    sinks = match_ends([w.name for w in wiring.of_role(SINK)], writes, "--sink", "stdout:")
    check_ends(sources, sinks)
    letters = None
    if order.dead_letters is not None:
        from byteor.edge.dead_letter import DeadLetters

        letters = DeadLetters(str(order.dead_letters))
    ends = Ends(
        tuple(parse_source(text) for text in sources),
        tuple(parse_sink(text) for text in sinks),
        dead_letters=letters,
        set_aside_oversize=order.set_aside_oversize,
        tap=capture_for(order.capture, order.capture_egress),
    )
    if old is not None:
        judge(old, spec, {w.name: sources[w.endpoint] for w in wiring.of_role(SOURCE)})
    return ReadyRun(name, prepared, ends, sources, sinks, old)


def planned_workers(found: ReadyRun, executor: Executor) -> tuple[WorkerIdentity, ...]:
    """Who would do what and where."""
    groups = form_groups(engines(found.prepared, found.ends, executor), executor, free_cores())
    return workers_of(found.prepared.wiring, groups, found.sources, found.sinks)


def _place(document: Document, where: Where | None) -> Where | None:
    """The line of the key of the stage that ``where`` names, as the person wrote it."""
    value = document.value
    if isinstance(value, PipelinePlanV2):
        prefix, names = "pipeline", [stage.id for stage in value.stages]
    elif isinstance(value, SingleRing):
        prefix, names = "single_ring", [stage.name for stage in value.stages]
    else:
        return where
    if where is None or where.key not in names:
        return where
    key = f"{prefix}.stages.{names.index(where.key)}.key"
    return Where(document.file, document.lines.get(key), None, key)


def run(
    order: RunOrder,
    on_running: OnRunning | None = None,
    on_permit: Callable[[Permit], None] = lambda permit: None,
) -> EndedRun:
    """Run to the end. The audit row of the start is durable before any region exists.

    ``on_permit`` is called when policy let the run start, ``on_running`` when every worker runs; once each.
    """
    # Stages in our own threads may print too: the stdout: sink writes to the descriptor.
    with contextlib.redirect_stdout(sys.stderr), attend(on_running) as attendants:
        return _run(order, attendants, on_permit)


def permit_for(order: RunOrder, found: ReadyRun, *, note: bool = True) -> Permit:
    """May it run? Raises with exit 4, 5 or 9 (``byteor.acts.governed.ask``)."""
    return ask(
        order.question,
        found.prepared.spec,
        tuple(found.prepared.stages.values()),
        beside=order.spec,
        ends=(*found.ends.sources, *found.ends.sinks),
        sinks=found.sinks,
        note=note,
    )


def _run(order: RunOrder, attendants: Attendants, on_permit: Callable[[Permit], None]) -> EndedRun:
    found = ready(order)
    permit = permit_for(order, found)
    on_permit(permit)
    for info in list_runs():
        record_missed(info)
    wiring = found.prepared.wiring
    by_name = {w.name: found.ends.sources[w.endpoint] for w in wiring.of_role(SOURCE)}
    attendants.watch(by_name, {w.name: found.ends.sinks[w.endpoint] for w in wiring.of_role(SINK)})
    if found.old is not None:
        attendants.told(take_over(found.old, by_name, order.drain_timeout_s))
    with explained(found.old):
        attendants.listen(order.metrics_addr, patient=found.old is not None)
        return _execute(order, found, permit, attendants)


def _execute(order: RunOrder, found: ReadyRun, permit: Permit, attendants: Attendants) -> EndedRun:
    options = ExecuteOptions(
        name=found.name,
        sources=tuple(plain(text) for text in found.sources),  # a file's name may be any bytes
        sinks=tuple(plain(text) for text in found.sinks),
        stage_modules=order.stage_modules,
        run_for_s=order.run_for_s,
        max_messages=order.max_messages,
        wait=order.wait,
        drain_timeout_s=order.drain_timeout_s,
        stage_timeout_s=order.stage_timeout_s,
        stage_memory_bytes=order.stage_memory_bytes,
        executor=order.executor,
        seed=secrets.randbits(63) if order.seed is None else order.seed,
        profile=order.profile,
        metrics=attendants.metrics,
        replaces="" if found.old is None else found.old.identity.run_id,
        env=permit.environment.name,
        group=None if order.group is None else group_id(order.group),
    )
    log = _Log(attendants, permit, Recorder(found.ends.tap, found.prepared, order.stage_modules))
    ended = execute(found.prepared, found.ends, options, log)
    return EndedRun(
        ended.result,
        ended.identity.kernel,
        ended.signal,
        log.last,
        log.incident_id,
        log.not_captured,
        ended.identity.notes,
    )


class _Log:
    """A run's witness: each step is a row of the audit log. ``last`` is the newest row's seq."""

    last = -1
    incident_id: str | None = None
    not_captured = 0

    def __init__(self, attendants: Attendants, permit: Permit, recorder: Recorder) -> None:
        self._attendants = attendants
        self._permit = permit
        self._recorder = recorder

    def starting(self, identity: RunIdentity) -> None:
        ends = {"source": identity.source, "sink": identity.sink, "kernel": identity.kernel}
        if identity.replaces:
            ends["replaces"] = identity.replaces
        with self._recorder.begin(identity):
            self.last = self._permit.start(identity, ends)

    def running(self, identity: RunIdentity, run: Path) -> None:
        self._recorder.running(run)
        self._attendants.running(identity, run)

    def tick(self, state: str) -> None:
        self._attendants.tick(state)
        self._recorder.tick()

    def news(self, text: str) -> None:
        self._attendants.news(text)

    def not_started(self, identity: RunIdentity, why: str) -> None:
        self._recorder.not_started()
        self._permit.end()
        self.last = record("run_failed", identity, {"state": "not started", "error": why}, seal=True)

    def ended(self, ended: Ended) -> None:
        self._recorder.finish(ended.result.state)
        self.not_captured = self._recorder.lost
        self._permit.end()
        self.last = record_end(runtime_dir() / ended.identity.run_id, ended.identity, ended.result)
        self.incident_id = self._recorder.bundle_failure(ended)
