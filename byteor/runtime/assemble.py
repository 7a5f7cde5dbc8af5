"""Put a ring's run together: regions, handles, stage processes, threads, and the source last of all."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from byteor.atomic import write_file
from byteor.indexbus import Consumer, MetricsRegion, Producer, SequencedSlots, Wait, install_sigbus
from byteor.runtime import folders
from byteor.runtime.adapter import Sink, Source
from byteor.runtime.control import ControlServer
from byteor.runtime.edges import run_sink, run_source
from byteor.runtime.folders import RunIdentity
from byteor.runtime.layout import SOURCE_ROW, StagePlace
from byteor.runtime.prepare import Prepared
from byteor.runtime.stage_loop import run_stage
from byteor.runtime.stage_process import StageConfig, StageProcess, await_ready
from byteor.runtime.supervisor import Supervisor
from byteor.runtime.workers import Mailbox, Outcome, ThreadWorker, with_row

JOIN_S = 1.0  # native loops return within 100 ms of an abort


class ExecuteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run. Times in seconds; ``wait`` is spin, yield, backoff or block."""

    name: str
    source_text: str
    sink_text: str
    env: str = "dev"
    stage_modules: tuple[str, ...] = ()
    run_for_s: float | None = None
    max_messages: int | None = None
    wait: str = "backoff"
    batch: int = 256
    drain_timeout_s: float = 5.0
    profile: str = "default"
    metrics: str = ""  # where they are served, for run.json
    replaces: str = ""  # id of the run whose place this one takes


def assemble(
    prepared: Prepared,
    source: Source,
    sink: Sink,
    options: ExecuteOptions,
    identity: RunIdentity,
    run: Path,
    stack: contextlib.ExitStack,
) -> tuple[Supervisor, MetricsRegion]:
    """Start everything, up to the first message; ``stack`` takes it down again, in reverse.

    Raises whatever keeps a part from starting. The metrics stay mapped until ``stack`` closes.
    """
    install_sigbus()
    regions = Path(identity.region_dir)
    wait = Wait[options.wait.upper()]
    write_file(run / folders.SPEC_KV, prepared.spec.canonical)
    hash_bytes = bytes.fromhex(prepared.spec.spec_hash.removeprefix("sha256:"))
    held = stack.enter_context(contextlib.ExitStack())
    metrics = held.enter_context(
        MetricsRegion.create(regions / folders.METRICS_REGION, prepared.layout.rows, spec_hash=hash_bytes)
    )
    ring = held.enter_context(_create_ring(prepared, regions / folders.RING_REGION, hash_bytes))
    mailbox = Mailbox()
    held.callback(mailbox.close)
    crew = _Crew(ring, metrics, identity, mailbox, held)
    stack.callback(crew.wind_up)  # before anything that it holds is closed

    producer = held.enter_context(ring.producer(wait=wait))
    egress = held.enter_context(ring.egress(wait=wait))
    for place, resolved in zip(prepared.layout.stages, prepared.stages, strict=True):
        if resolved.native is None:
            crew.processes.append(StageProcess(_stage_config(place, identity, options)))
        else:
            stage = held.enter_context(ring.stage(place.index, after=place.after, wait=wait))
            crew.thread(place.row, stage, _bind(run_stage, place.name, stage, resolved, options.batch))
    await_ready(crew.processes)
    sink.open()
    held.callback(sink.close)
    crew.thread(prepared.layout.sink_row, egress, _bind(run_sink, sink, egress))
    for thread in crew.threads:
        thread.start()

    source.open()
    held.callback(source.close)
    stop = threading.Event()
    feeder = crew.thread(
        SOURCE_ROW, producer, _bind(run_source, source, producer, stop, options.max_messages)
    )
    supervisor = Supervisor(
        threads=crew.threads,
        processes=crew.processes,
        mailbox=mailbox,
        close_source=stop.set,
        abort=ring.abort,
        drain_timeout_s=options.drain_timeout_s,
        run_for_s=options.run_for_s,
    )
    stack.callback(supervisor.close)
    control = ControlServer(run, supervisor.selector, supervisor.act)
    stack.callback(control.close)
    feeder.start()
    return supervisor, metrics


class _Crew:
    """The workers of a run while it starts, and how they are sent home."""

    def __init__(
        self,
        ring: SequencedSlots,
        metrics: MetricsRegion,
        identity: RunIdentity,
        mailbox: Mailbox,
        held: contextlib.ExitStack,
    ) -> None:
        self._ring, self._metrics, self._identity, self._mailbox = ring, metrics, identity, mailbox
        self._held = held
        self.threads: list[ThreadWorker] = []
        self.processes: list[StageProcess] = []

    def thread(
        self, row_index: int, handle: Producer | Consumer, body: Callable[[], Outcome]
    ) -> ThreadWorker:
        """A worker that runs ``body`` with ``handle`` counting into its row; not started yet."""
        identity = self._identity.workers[row_index]
        row = self._metrics.row(row_index)
        self._held.callback(row.close)
        row.begin(identity.name, identity.key, identity.role, identity.where)
        handle.attach_row(row)
        worker = ThreadWorker(identity.name, lambda: with_row(identity.name, row, body), self._mailbox)
        self.threads.append(worker)
        return worker

    def wind_up(self) -> None:
        """Send everybody home: at a clean end they have gone already, and this finds nobody."""
        if self._ring.state == "open":
            self._ring.abort()
        for process in self.processes:
            process.close()
        stuck = [thread for thread in self.threads if not thread.join(JOIN_S)]
        if stuck:
            # A thread hangs in the kernel, in somebody's file system or socket. What it may still touch
            # stays mapped until this process ends.
            self._held.pop_all()


def _create_ring(prepared: Prepared, path: Path, spec_hash: bytes) -> SequencedSlots:
    return SequencedSlots.create(
        path,
        capacity=prepared.ring.capacity,
        slot_bytes=prepared.ring.slot_bytes,
        gates=len(prepared.stages),
        egress=prepared.layout.terminals,
        spec_hash=spec_hash,
    )


def _stage_config(place: StagePlace, identity: RunIdentity, options: ExecuteOptions) -> StageConfig:
    regions = Path(identity.region_dir)
    return StageConfig(
        supervisor_pid=os.getpid(),
        stage_index=place.index,
        name=place.name,
        key=place.key,
        after=place.after,
        ring_path=str(regions / folders.RING_REGION),
        metrics_path=str(regions / folders.METRICS_REGION),
        row=place.row,
        stage_modules=options.stage_modules,
        sys_path=tuple(sys.path),
        wait=options.wait,
        batch=options.batch,
    )


def _bind(function: Callable[..., Outcome], *arguments: object) -> Callable[[], Outcome]:
    return lambda: function(*arguments)
