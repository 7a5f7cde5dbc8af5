"""Put a run together: regions, handles, processes, threads, and the sources last of all."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from byteor.atomic import write_file
from byteor.indexbus import MetricsRegion, Producer, Wait, install_sigbus
from byteor.runtime import folders
from byteor.runtime.adapter import NativeSource
from byteor.runtime.arrivals import FILE, Arrivals
from byteor.runtime.commits import Commits, Departed
from byteor.runtime.control import ControlServer
from byteor.runtime.decided import Told
from byteor.runtime.edges import Orders, run_sink, run_source
from byteor.runtime.ends import Ends
from byteor.runtime.feed import Feed
from byteor.runtime.folders import RunIdentity
from byteor.runtime.lanes import Lane, create_lane
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.posts import Ground, Post, run_posts
from byteor.runtime.prepare import Prepared
from byteor.runtime.process import keep_freed_memory
from byteor.runtime.shards import shard_of
from byteor.runtime.stages import Context
from byteor.runtime.supervisor import Supervisor
from byteor.runtime.tickets import Tickets
from byteor.runtime.tuner import Tuner
from byteor.runtime.wiring import SINK, WorkerPlan
from byteor.runtime.wiring.groups import Group, group_name
from byteor.runtime.worker_config import WorkerConfig
from byteor.runtime.worker_process import WorkerProcess, await_ready
from byteor.runtime.workers import Mailbox, Outcome, ThreadWorker, with_rows

JOIN_S = 1.0  # native loops return within 100 ms of an abort


class Assembled(NamedTuple):
    """A run that works and waits for its first message, which comes after ``begin``.
    ``positions`` tells how far its sources were read, for whoever goes on from there."""

    supervisor: Supervisor
    begin: Callable[[], None]
    metrics: MetricsRegion
    positions: Callable[[], dict[str, Any]]


def assemble(
    prepared: Prepared,
    ends: Ends,
    options: ExecuteOptions,
    groups: Sequence[Group],
    tuner: Tuner,
    identity: RunIdentity,
    run: Path,
    stack: contextlib.ExitStack,
) -> Assembled:
    """Start everything, up to the first message; ``stack`` takes it down again, in reverse.

    Raises whatever keeps a part from starting. Metrics and sources stay open until ``stack`` closes.
    """
    install_sigbus()
    keep_freed_memory()
    write_file(run / folders.SPEC_KV, prepared.spec.canonical)
    held = stack.enter_context(contextlib.ExitStack())
    site = _Site(prepared, ends, options, tuner, identity, run, held)
    stack.callback(site.wind_up)  # before anything that it holds is closed
    for number, group in enumerate(groups):
        if group.where == "process":
            site.start_process(number, group)
    for number, group in enumerate(groups):
        if group.where == "thread" and not _is_source(prepared, group):
            site.add_thread(number, group)
    await_ready(site.processes)
    for process in site.processes:
        tuner.heard(process.problems)
    for sink in ends.sinks:
        sink.open()
        held.callback(sink.close)
    for thread in site.threads:
        thread.start()

    for source in ends.sources:
        source.open()
        held.callback(source.close)
    feeders = [site.add_thread(n, group) for n, group in enumerate(groups) if _is_source(prepared, group)]
    supervisor = Supervisor(
        threads=site.threads,
        processes=site.processes,
        mailbox=site.mailbox,
        close_source=site.stop_sources,
        hold_source=site.hold_sources,
        abort=site.abort,
        drain_timeout_s=options.drain_timeout_s,
        run_for_s=options.run_for_s,
    )
    supervisor.on_told = site.heard
    stack.callback(supervisor.close)
    control = ControlServer(run, supervisor.selector, supervisor.act)
    stack.callback(control.close)
    for feeder in feeders:
        feeder.start()
    return Assembled(supervisor, site.begin.set, site.metrics, site.positions)


def _is_source(prepared: Prepared, group: Group) -> bool:
    """Whether anything of ``group`` brings messages in: such a group starts last."""
    return any(prepared.wiring.workers[row].role == "source" for row in group.rows)


class _Site:
    """A run while it starts: its regions, its workers, and how they are sent home."""

    def __init__(
        self,
        prepared: Prepared,
        ends: Ends,
        options: ExecuteOptions,
        tuner: Tuner,
        identity: RunIdentity,
        run: Path,
        held: contextlib.ExitStack,
    ) -> None:
        self._prepared, self._ends, self._options, self._tuner = prepared, ends, options, tuner
        self._identity, self._run, self._held = identity, run, held
        wiring, regions = prepared.wiring, Path(identity.region_dir)
        spec_hash = bytes.fromhex(prepared.spec.spec_hash.removeprefix("sha256:"))
        self.metrics = held.enter_context(
            MetricsRegion.create(regions / folders.METRICS_REGION, wiring.rows, spec_hash=spec_hash)
        )
        self._lanes: dict[int, Lane] = {}
        for index, plan in enumerate(wiring.lanes):
            self._lanes[index] = lane = create_lane(plan, regions, spec_hash)
            held.callback(lane.close)
            with self.metrics.row(wiring.lane_row(index)) as row:
                row.begin(plan.name, plan.kind, "lane", "thread")
        self._ground = Ground(
            lanes=self._lanes,
            plans=dict(enumerate(wiring.lanes)),
            lane_rows={index: wiring.lane_row(index) for index in self._lanes},
            metrics=self.metrics,
            wait=Wait[identity.wait.upper()],
            drop=wiring.on_full == "drop",
            arrivals=self._keep_arrivals(regions) if prepared.clocked else None,
        )
        tuner.here([part.region.mapping for part in (self.metrics, *self._lanes.values())])
        self.mailbox = Mailbox()
        held.callback(self.mailbox.close)
        self.threads: list[ThreadWorker] = []
        self.processes: list[WorkerProcess] = []
        self.begin, self._orders = threading.Event(), Orders()
        self._native_sources: list[Post] = []
        self._unheard: set[int] = set()  # rows in processes whose last decisions have not been told
        self._commits: dict[str, Commits] = {}
        self._tickets = Tickets(self._ground.arrivals)
        self._departed = Departed(w for w in wiring.of_role(SINK) if not self._plays_natively(w))
        if ends.dead_letters is not None:
            ends.dead_letters.open()
            held.callback(ends.dead_letters.close)
            for source in ends.sources:
                source.dead_letters = ends.dead_letters
            for sink in ends.sinks:
                sink.dead_letters = ends.dead_letters
        if ends.tap is not None:
            held.callback(ends.tap.close)

    def _keep_arrivals(self, regions: Path) -> Arrivals:
        in_flight = sum(lane.capacity for lane in self._prepared.wiring.lanes)
        arrivals = Arrivals.create(regions / FILE, in_flight)
        self._held.callback(arrivals.close)
        return arrivals

    # -- workers

    def start_process(self, number: int, group: Group) -> None:
        """A process for ``group``, the worker ``number`` of the tuning."""
        wiring, identity = self._prepared.wiring, self._identity
        plans = tuple(wiring.workers[row] for row in group.rows)
        wanted = sorted({port.lane for plan in plans for port in (*plan.rx, *plan.tx)})
        config = WorkerConfig(
            supervisor_pid=os.getpid(),
            name=group_name(plans),
            workers=plans,
            lanes={index: wiring.lanes[index] for index in wanted},
            lane_rows={index: wiring.lane_row(index) for index in wanted},
            region_dir=identity.region_dir,
            run_dir=str(self._run),
            drop=wiring.on_full == "drop",
            stage_modules=self._options.stage_modules,
            sys_path=tuple(sys.path),
            wait=identity.wait,
            clocked=self._ground.arrivals is not None,
            batch=self._options.batch,
            seed=identity.seed,
            tuning=self._tuner.tuning,
            number=number,
            choosing=tuple(plan.row for plan in plans if self._decides(plan)),
            turning=tuple((plan.row, end) for plan in plans for end in self._turning(plan)),
            memory_bytes=self._options.stage_memory_bytes,
        )
        self._await(config)
        self.processes.append(WorkerProcess(config))

    def add_thread(self, number: int, group: Group) -> ThreadWorker:
        """A thread for ``group``, the worker ``number`` of the tuning; not started yet."""
        plans = [self._prepared.wiring.workers[row] for row in group.rows]
        posts = [self._ground.take(plan, "thread", self._held) for plan in plans]
        for post in posts:
            self._record(post)
        name = group_name(plans)
        body = self._body(name, plans, posts)
        if any(plan.role == "source" for plan in plans):
            body = self._when_begun(body)
        body = self._tuner.wrap(number, body)
        rows = {post.plan.name: post.row for post in posts}
        worker = ThreadWorker(name, lambda: with_rows(name, rows, body), self.mailbox)
        self.threads.append(worker)
        return worker

    def _body(self, name: str, plans: Sequence[WorkerPlan], posts: list[Post]) -> Callable[[], Outcome]:
        plan, post = plans[0], posts[0]
        if plan.role == "source" and not self._plays_natively(plan):
            return self._source_body(plan, post)
        if plan.role == "sink" and not self._plays_natively(plan):
            return self._sink_body(plan, post)
        for post in posts:
            self._equip(post)
        self._native_sources += [post for post in posts if post.plan.role == "source"]
        return lambda: run_posts(name, posts, self._options.batch, self._ground.wait)

    def _when_begun(self, body: Callable[[], Outcome]) -> Callable[[], Outcome]:
        def begun() -> Outcome:
            self.begin.wait()
            return body()

        return begun

    def _plays_natively(self, plan: WorkerPlan) -> bool:
        if self._options.executor == "mp":
            return False
        if plan.role == "source":
            return self._ends.native_source(plan, self._prepared) is not None
        return self._ends.native_sink(plan)

    def _equip(self, post: Post) -> None:
        plan = post.plan
        if plan.stage >= 0:
            post.resolved = self._prepared.stages[plan.stage]
            post.context = Context(
                plan.name,
                plan.key,
                seed=self._identity.seed,
                clock=self._ground.clock_of(post),
                folder=self._run,
                stopping=self._orders.abort.is_set,
                beat=post.row.beat,
            )
        elif plan.role == "source":
            post.native = self._native_source(plan)

    def _decides(self, plan: WorkerPlan) -> bool:
        return self._ends.tap is not None and self._prepared.wiring.decides(plan)

    def _turning(self, plan: WorkerPlan) -> list[int]:
        """The ends of ``plan`` whose turns are recorded."""
        takes_turns = self._prepared.wiring.takes_turns
        tap = self._ends.tap
        return [] if tap is None else [end for end, port in enumerate(plan.tx) if takes_turns(port.lane)]

    def _record(self, post: Post) -> None:
        """Let the tap hear what timing decides at this post."""
        plan, tap = post.plan, self._ends.tap
        if tap is None:
            return
        if self._decides(plan):
            post.choices = partial(tap.choices, plan.row)
            tap.choices(plan.row, 0, 0)  # it is one that is recorded, whatever it will choose
        for end in self._turning(plan):
            producer = post.tx[end]
            assert isinstance(producer, Producer)
            producer.record_turns()
            tap.ask(plan.row, end, producer.turns)

    def _await(self, config: WorkerConfig) -> None:
        """A process will tell of these; that they are recorded is known from now on."""
        tap = self._ends.tap
        if tap is None:
            return
        for row in config.choosing:
            tap.choices(row, 0, 0)
        for row, end in config.turning:
            tap.turns(row, end, ())
        self._unheard.update(config.choosing, (row for row, _ in config.turning))

    def heard(self, told: Told) -> None:
        """A process tells what it decided."""
        tap = self._ends.tap
        if tap is None:
            return
        for index, count in zip(told.choices[::2], told.choices[1::2], strict=True):
            tap.choices(told.row, index, count)
        if told.turns is None:
            tap.undecided(told.row)
        elif told.turns:
            tap.turns(told.row, told.end, told.turns)
        if told.last:
            self._unheard.discard(told.row)

    def _native_source(self, plan: WorkerPlan) -> NativeSource | None:
        found, most = self._ends.native_source(plan, self._prepared), self._options.max_messages
        if found is None or most is None:
            return found
        return msgspec.structs.replace(found, count=min(found.count or most, most))

    def _source_body(self, plan: WorkerPlan, post: Post) -> Callable[[], Outcome]:
        wiring, source = self._prepared.wiring, self._ends.sources[plan.endpoint]
        post.attach()
        feed = Feed(
            plan.endpoint,
            post.producers,
            wiring.lanes[plan.tx[0].lane].slot_bytes,
            self._tickets,
            shard=shard_of(wiring.shard_key, len(post.tx)) if wiring.shard_key is not None else None,
            drop=wiring.on_full == "drop",
            set_aside=self._ends.dead_letters if self._ends.set_aside_oversize else None,
            tap=self._ends.tap,
            watermarks=plan.watermarks,
        )
        lanes = [(index, self._lanes[index]) for index in wiring.lanes_from(plan)]
        commits = self._commits[plan.name] = Commits(source, lanes, self._departed)
        most = self._options.max_messages
        return lambda: run_source(plan.name, source, feed, commits, self._orders, most)

    def _sink_body(self, plan: WorkerPlan, post: Post) -> Callable[[], Outcome]:
        sink = self._ends.sinks[plan.endpoint]
        post.attach()
        return lambda: run_sink(plan, sink, post.consumers, self._departed, self._ends.tap)

    # -- ends

    def positions(self) -> dict[str, Any]:
        """By endpoint, how far each source that keeps a position was read; all before has left the run."""
        found = {name: commits.last for name, commits in self._commits.items()}
        handed_on = {row.index: row.handed_on for row in self.metrics.rows()}
        for plan in self._prepared.wiring.of_role("source"):
            if plan.name not in found:  # the kernel makes its messages, from the first one on
                found[plan.name] = handed_on.get(plan.row, 0)
        return {name: position for name, position in found.items() if position is not None}

    def hold_sources(self, on: bool) -> bool:
        """Let the sources rest, or go on. False where the kernel plays one, which cannot rest."""
        if self._native_sources:
            return False
        if on:
            self._orders.rest.set()
        else:
            self._orders.rest.clear()
        return True

    def stop_sources(self) -> None:
        self._orders.stop.set()
        self.begin.set()
        for post in self._native_sources:
            for producer in post.tx:
                producer.stop()

    def abort(self) -> None:
        self._orders.abort.set()
        for lane in self._lanes.values():
            lane.abort()  # one that was closed too: somebody may wait for what lies in it
        for sink in self._ends.sinks:
            sink.cancel()

    def wind_up(self) -> None:
        """Send everybody home: at a clean end they have gone already, and this finds nobody."""
        self.stop_sources()
        if any(lane.state == "open" for lane in self._lanes.values()):
            self.abort()
        for process in self.processes:
            process.close()
        for row in self._unheard:  # killed, or it hung
            if self._ends.tap is not None:
                self._ends.tap.undecided(row)
        stuck = [thread for thread in self.threads if not thread.join(JOIN_S)]
        if stuck:
            # A thread hangs in the kernel, in somebody's file system or socket. What it may still touch
            # stays mapped until this process ends.
            self._held.pop_all()
