"""The workers at a run's ends: source to feed, lanes to sink. Each runs in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from byteor.indexbus import Consumer
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError
from byteor.runtime.adapter import Sink, Source, Tap
from byteor.runtime.commits import Commits, Departed
from byteor.runtime.feed import Feed
from byteor.runtime.wiring import WorkerPlan
from byteor.runtime.workers import Outcome, failed

BATCH = 256
IDLE_S = 0.05  # how long a quiet source or sink may keep its worker from looking around
DOZE_S = 0.1  # a source that has given nothing for a second, and that nobody waits for
DOZES_AFTER = 20  # looks in vain
REST_S = 1.0  # how long a sink waits that has flushed what it took: an end of its lane wakes it
FLUSH_S = 0.2  # how long a busy sink may keep what it took from its peer
NAP_S = 0.001
NAPS, DOUBLINGS = 64, 4  # naps of each length and how often it doubles, of a sink of several lanes


class Orders:
    """What the supervisor tells source threads: take no more, nothing for a while, drop everything."""

    def __init__(self) -> None:
        self.stop, self.rest, self.abort = threading.Event(), threading.Event(), threading.Event()


def run_source(
    name: str,
    source: Source,
    feed: Feed,
    commits: Commits,
    orders: Orders,
    max_messages: int | None,
) -> Outcome:
    """Publish what ``source`` gives until it ends, shall stop, or the run is aborted; then wait until all
    that it gave has left, so that it may forget it.

    A message that no slot holds is never cut: it ends the run with its number (``E_OVERSIZE``).
    """
    in_vain = 0  # looks since it gave something, or since anybody waited to hear of it
    while not orders.stop.is_set():
        if orders.rest.is_set():
            feed.rest()
            commits.settle()
            orders.stop.wait(IDLE_S)
            continue
        room = BATCH if max_messages is None else min(BATCH, max_messages - feed.taken)
        timeout_s = DOZE_S if in_vain > DOZES_AFTER else IDLE_S
        messages = _read(source, room, timeout_s, feed) if room > 0 else None
        if messages is None:
            break
        if not messages:
            awaited = feed.rest()
            in_vain = in_vain + 1 if commits.settle() and not awaited else 0
            continue
        in_vain = 0
        try:
            whole = feed.put(source.name, messages)
        except IndexBusError as error:
            if error.code != "E_OVERSIZE":
                raise
            at = feed.taken + int(error.fields["index"])
            return failed(name, f"message {at + 1} of {source.name}: {error.message}", error.code, at)
        if not whole:
            return Outcome(name, "aborted")
        commits.took()
        commits.settle()
    feed.close_stream()
    while not commits.settle():
        feed.beat()
        if orders.abort.wait(NAP_S):
            return Outcome(name, "aborted")
    return Outcome(name, "finished")


def _read(source: Source, room: int, timeout_s: float, feed: Feed) -> Sequence[bytes] | None:
    """What the thread did not compute meanwhile, it waited."""
    began, worked = time.monotonic_ns(), time.thread_time_ns()
    messages = source.read(room, timeout_s)
    feed.waited(time.monotonic_ns() - began - (time.thread_time_ns() - worked))
    return messages


def run_sink(
    plan: WorkerPlan, sink: Sink, lanes: Sequence[Consumer], departed: Departed, tap: Tap | None
) -> Outcome:
    """Hand every message to ``sink``, in order; slots are freed after the sink took them.

    Of several ``lanes`` (shards) each in turn.
    """
    quiet, naps, flushed_at = False, 0, time.monotonic()
    live = list(lanes)
    while live:
        moved = False
        for lane in list(live):
            wait_s = 0.0 if len(live) > 1 else REST_S if quiet else IDLE_S
            count = lane.peek(BATCH, wait_s)
            if count:
                _hand_over(lane, count, plan.endpoint, sink, tap)
                moved = True
            elif lane.ended != End.TIMEOUT:
                live.remove(lane)
        now = time.monotonic()
        if (moved and now - flushed_at > FLUSH_S) or not (moved or quiet):
            _flush(plan, sink, lanes, departed)
            flushed_at = now
        quiet = not moved
        if quiet and len(live) > 1:
            live[0].beat()  # a look that does not wait shows no sign of life
            time.sleep(NAP_S * 2 ** min(naps // NAPS, DOUBLINGS))
        naps = naps + 1 if quiet else 0
    _flush(plan, sink, lanes, departed)
    aborted = any(lane.ended != End.FINISHED for lane in lanes)
    return Outcome(plan.name, "aborted" if aborted else "finished")


def _flush(plan: WorkerPlan, sink: Sink, lanes: Sequence[Consumer], departed: Departed) -> None:
    sink.flush()
    for port, lane in zip(plan.rx, lanes, strict=True):
        departed.flushed(port, lane.sequence)


def _hand_over(lane: Consumer, count: int, endpoint: int, sink: Sink, tap: Tap | None) -> None:
    views = lane.views()
    try:
        sink.write(views)
        if tap is not None:
            tap.egress(endpoint, *lane.gather())
    finally:
        for view in views:  # the slots are the lane's again, whatever the sink's error still holds
            view.release()
    lane.advance(count)
