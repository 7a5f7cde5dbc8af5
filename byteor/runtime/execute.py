"""The life of a run: it starts completely or not at all, and its end is always told."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from byteor.errors import ByteorError
from byteor.indexbus import MetricsRegion
from byteor.runtime import folders
from byteor.runtime.assemble import assemble
from byteor.runtime.ends import Ends
from byteor.runtime.errors import RunError
from byteor.runtime.folders import Failure, RunIdentity, RunResult
from byteor.runtime.identity import identify
from byteor.runtime.observe import RunObserver, totals
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.prepare import Prepared
from byteor.runtime.process import free_cores
from byteor.runtime.sharing import share
from byteor.runtime.signals import BrokenOff, Signals
from byteor.runtime.stalls import StallWatch, failure_of
from byteor.runtime.supervisor import Supervisor
from byteor.runtime.tuner import Tuner, plan_run
from byteor.runtime.wiring import SINK, SOURCE, WorkerPlan
from byteor.runtime.wiring.groups import Engine, Executor, form_groups
from byteor.runtime.words import in_words


class Ended(msgspec.Struct, frozen=True):
    """How a run ended, for whoever must tell it."""

    identity: RunIdentity
    result: RunResult
    signal: int | None


class Witness(Protocol):
    """Who must know of a run. Raising in ``starting`` keeps it from starting."""

    def starting(self, identity: RunIdentity) -> None: ...

    def not_started(self, identity: RunIdentity, why: str) -> None: ...

    def running(self, identity: RunIdentity, run: Path) -> None:
        """Every worker runs; ``run`` is the run folder. What it raises is passed over."""

    def tick(self, state: str) -> None:
        """The supervisor's loop has turned, at the latest half a second after the last time."""

    def news(self, text: str) -> None:
        """Something that an operator should hear while the run lives."""

    def ended(self, ended: Ended) -> None: ...


def execute(prepared: Prepared, ends: Ends, options: ExecuteOptions, witness: Witness) -> Ended:
    """Run to the end and say how it was; the result also lies in ``result.json`` of the run folder.

    Raises ``RunError`` (``E_RUN_NAME``...), ``IndexBusError`` (``E_SHM_SPACE``...), ``EdgeError`` or what
    ``witness`` raises when the run cannot start; nothing is left behind then. Once it has started, nothing
    is raised: whatever goes wrong is the run's failure, and ``witness`` hears of its end.
    """
    root = folders.runtime_dir()
    with Signals() as signals, folders.name_lock(options.name, root):
        folders.drop_old_lanes(options.name, root)
        run_id = folders.new_run_id(options.name)
        run, regions = folders.create(run_id, root)
        try:
            groups = form_groups(
                engines(prepared, ends, options.executor), options.executor, options.cores or free_cores()
            )
            tuner = Tuner(plan_run(options, prepared.wiring, groups))
            identity = identify(prepared, options, groups, tuner.tuning, run_id, regions)
            folders.write_identity(run, identity)
            _share(options, run, regions)
            witness.starting(identity)
        except BaseException:
            signals.pass_over()
            _remove(run, regions)
            raise
        with contextlib.ExitStack() as stack:
            try:
                assembled = assemble(prepared, ends, options, groups, tuner, identity, run, stack)
                identity = msgspec.structs.replace(identity, tuning=tuner.settled())
                folders.write_identity(run, identity)
                _share(options, run, regions)
                supervisor = assembled.supervisor
                signals.hand_to(supervisor.note_signal)
            except BaseException as error:
                signals.pass_over()
                stack.close()
                told = error.told if isinstance(error, BrokenOff) else error
                witness.not_started(identity, in_words(told)[1])
                _remove(run, regions)
                raise
            assembled.begin()
            with contextlib.suppress(Exception):  # who only looks on cannot end a run
                witness.running(identity, run)
            supervisor.on_tick = _watching(supervisor, assembled.metrics, options, witness, run)
            result = _supervise(supervisor, assembled.metrics, identity)
            result = msgspec.structs.replace(
                result,
                positions=assembled.positions(),
                stuck=_culprit_first(run, result.stuck),
                set_aside=ends.dead_letters.count if ends.dead_letters is not None else 0,
            )
            if identity.model == "lane_graph" and result.state != "finished":
                result = msgspec.structs.replace(result, unfinished=_left_in_lanes(run))
            signals.pass_over()
            with contextlib.suppress(Exception):  # what cannot be let go of goes with this process
                stack.close()
        ended = Ended(identity, result, supervisor.signal)
        with contextlib.suppress(OSError, RunError):  # the folder is gone; the witness still hears
            folders.write_result(run, result)
            _share(options, run, regions)
            if result.state != "failed":  # a failed run's lanes are evidence
                folders.drop_lanes(regions)
        witness.ended(ended)
    return ended


def _watching(
    supervisor: Supervisor, metrics: MetricsRegion, options: ExecuteOptions, witness: Witness, run: Path
) -> Callable[[str], None]:
    """What happens at each turn of the supervisor's loop."""
    watch = StallWatch(options.stage_timeout_s, witness.news)

    def tick(state: str) -> None:
        witness.tick(state)
        if watch.due():
            culprit = watch.look(metrics.rows(), time.monotonic_ns())
            if culprit is not None:
                supervisor.give_up(failure_of(culprit, run, options.stage_timeout_s))

    return tick


def _supervise(supervisor: Supervisor, metrics: MetricsRegion, identity: RunIdentity) -> RunResult:
    began = time.monotonic_ns()
    try:
        supervisor.watch()
    except Exception as error:  # noqa: BLE001  (a run that has started always tells its end)
        code, text = in_words(error)
        supervisor.fail(Failure("supervisor", None, text, code))
    return _result(supervisor, metrics, identity, time.monotonic_ns() - began)


def engines(prepared: Prepared, ends: Ends, executor: Executor) -> list[Engine]:
    """Who runs each worker."""

    def engine(worker: WorkerPlan) -> Engine:
        if worker.role == SOURCE:
            native = ends.native_source(worker, prepared) is not None
        elif worker.role == SINK:
            native = ends.native_sink(worker)
        else:
            stage = prepared.stages.get(worker.stage)
            return "native" if stage is None or stage.native is not None else "python"
        return "native" if native and executor != "mp" else "edge"

    return [engine(worker) for worker in prepared.wiring.workers]


def _culprit_first(run: Path, stuck: tuple[str, ...]) -> tuple[str, ...]:
    """Those who did not finish, first whoever the most messages wait for; the others only waited for it."""
    if len(stuck) < 2:
        return stuck
    try:
        with RunObserver(run) as observer:
            lag = {worker.name: worker.lag for worker in observer.sample().workers}
    except (ByteorError, OSError):  # somebody removed the folder
        return stuck
    place = {name: index for index, name in enumerate(lag)}  # workers stand in the order of the flow
    return tuple(sorted(stuck, key=lambda name: (-lag.get(name, 0), place.get(name, len(place)))))


def _left_in_lanes(run: Path) -> int:
    """Messages that lie in the lanes of a graph, where one message may have become several."""
    try:
        with RunObserver(run) as observer:
            return sum(max(0, lane.depth) for lane in observer.sample().lanes)
    except (ByteorError, OSError):  # somebody removed the folder
        return 0


def _result(
    supervisor: Supervisor, metrics: MetricsRegion, identity: RunIdentity, duration_ns: int
) -> RunResult:
    if supervisor.first_failure is not None:
        state = "failed"
    elif supervisor.asked or supervisor.stuck:
        state = "stopped"
    else:
        state = "finished"
    counted = totals(metrics.rows())
    return RunResult(
        run_id=identity.run_id,
        name=identity.name,
        spec_hash=identity.spec_hash,
        state=state,
        messages_in=counted.messages_in,
        messages_out=counted.messages_out,
        dropped=counted.dropped,
        filtered=counted.filtered,
        errors=counted.errors,
        duration_ns=duration_ns,
        messages_per_s=counted.messages_out / (duration_ns / 1e9),
        first_failure=supervisor.first_failure,
        unfinished=0
        if identity.model == "lane_graph"
        else counted.messages_in - counted.messages_out - counted.filtered - counted.dropped,
        stuck=supervisor.stuck,
    )


def _share(options: ExecuteOptions, run: Path, regions: Path) -> None:
    """Open to the group what has been made by now."""
    if options.group is not None:
        share(options.group, run, regions)


def _remove(run: Path, regions: Path) -> None:
    for folder in (regions, run):
        shutil.rmtree(folder, ignore_errors=True)
