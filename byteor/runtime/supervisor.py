"""The life of one run after its workers were started: hear outcomes, asks and signals; drain; end on time.

running -> draining -> ended. A stage that fails, or a worker that dies, aborts the ring for all
(``stop_pipeline``), and the first failure is the one that is named.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Sequence

from byteor.runtime.control import Answer
from byteor.runtime.decided import Told
from byteor.runtime.folders import Failure
from byteor.runtime.worker_process import WorkerProcess
from byteor.runtime.workers import Mailbox, Outcome, ThreadWorker, failed

ABORT_GRACE_S = 0.5  # native loops return within 100 ms; a Python stage may be inside a call
_TICK_S = 0.5


class Supervisor:
    """Owns the event loop of one run. ``state`` is running, draining, aborting or ended."""

    def __init__(
        self,
        *,
        threads: Sequence[ThreadWorker],
        processes: Sequence[WorkerProcess],
        mailbox: Mailbox,
        close_source: Callable[[], None],
        hold_source: Callable[[bool], bool] = lambda on: False,
        abort: Callable[[], None],
        drain_timeout_s: float,
        run_for_s: float | None,
    ) -> None:
        self.state = "running"
        self.first_failure: Failure | None = None
        self.signal: int | None = None
        self.asked = False  # somebody asked for the end: control socket or signal
        self.stuck: tuple[str, ...] = ()  # who had not finished when the drain ran out of time
        self._threads = {thread.name: thread for thread in threads}
        self._processes = {process.name: process for process in processes}
        self._live = set(self._threads) | set(self._processes)
        self._mailbox = mailbox
        self._signals: list[int] = []
        self.on_tick: Callable[[str], None] = lambda state: None  # each turn of the loop; must not raise
        self.on_told: Callable[[Told], None] = lambda told: None
        self._close_source = close_source
        self._hold_source = hold_source
        self._held_until: float | None = None
        self._abort_ring = abort
        self._drain_timeout_s = drain_timeout_s
        self._run_for_s = run_for_s
        self._deadline: float | None = None
        self.selector = selectors.DefaultSelector()
        self.selector.register(mailbox.fd, selectors.EVENT_READ, self._on_mail)
        for process in processes:
            self.selector.register(process.events, selectors.EVENT_READ, _bound(self._on_events, process))
            self.selector.register(process.pidfd, selectors.EVENT_READ, _bound(self._on_exit, process))

    def watch(self) -> None:
        """Run until every worker has ended, or was given up on after an abort."""
        if self._run_for_s is not None and self._deadline is None:  # not when a signal drains it already
            self._deadline = time.monotonic() + self._run_for_s
        while self._live and self.state != "ended":
            for key, _ in self.selector.select(self._patience()):
                key.data()
            self._on_signals()
            self._on_time()
            self.on_tick(self.state)
        self.state = "ended"

    def close(self) -> None:
        self.selector.close()

    def act(self, ask: str, limit_s: float = 0.0) -> Answer:
        """Do what the control socket asks: ``status``, ``drain`` (``limit_s`` at least), ``stop``, ``hold``
        the sources (``limit_s`` at most), ``resume``."""
        if ask == "drain":
            self.asked = True
            self.drain(limit_s)
        elif ask == "stop":
            self.asked = True
            self.abort()
        elif ask == "hold":
            return self._hold(limit_s)
        elif ask == "resume":
            self._resume()
        return Answer(True, self.state)

    def _hold(self, limit_s: float) -> Answer:
        """Take nothing more from the sources for a while: somebody wants to see whether the run empties."""
        if self.state != "running":
            return Answer(False, self.state, f"it is {self.state}")
        if not self._hold_source(True):
            return Answer(False, self.state, "the kernel plays its source, which cannot be held")
        self._held_until = time.monotonic() + limit_s
        return Answer(True, "held")

    def _resume(self) -> None:
        self._held_until = None
        self._hold_source(False)

    def give_up(self, failure: Failure) -> None:
        """A worker will not come back by itself: end everything because of it. What hangs is killed."""
        if self.state in ("running", "draining"):
            self.first_failure = self.first_failure or failure
            self.abort()

    def fail(self, failure: Failure) -> None:
        """The loop itself cannot go on: end everything, and say why unless something failed before."""
        self.first_failure = self.first_failure or failure
        self.abort()
        self.state = "ended"

    def drain(self, limit_s: float = 0.0) -> None:
        """Take no more from the source; let what is in flight finish within the drain time limit, or
        ``limit_s`` where that is longer."""
        if self.state == "running":
            self.state = "draining"
            self._deadline = time.monotonic() + max(self._drain_timeout_s, limit_s)
            self._close_source()

    def abort(self) -> None:
        """Stop everybody now. Workers that do not return in time are killed."""
        if self.state in ("running", "draining"):
            self.state = "aborting"
            self._deadline = time.monotonic() + ABORT_GRACE_S
            self._close_source()
            self._abort_ring()

    def _patience(self) -> float:
        due = [at for at in (self._deadline, self._held_until) if at is not None]
        return min(_TICK_S, max(0.0, min(due) - time.monotonic())) if due else _TICK_S

    def _on_time(self) -> None:
        if self._held_until is not None and time.monotonic() >= self._held_until:
            self._resume()
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        self._deadline = None
        if self.state == "running":
            self.drain()
        elif self.state == "draining":
            self.stuck = tuple(sorted(self._live))
            self.abort()
        elif self.state == "aborting":
            for name in self._live & set(self._processes):
                self._processes[name].kill()
            stuck = sorted(self._live & set(self._threads))
            if stuck and self.first_failure is None:
                self._ended(failed(stuck[0], "did not stop when told to", "E_WORKER_STUCK"))
            self.state = "ended"

    def note_signal(self, number: int) -> None:
        """For a signal handler, which may come between any two steps of the loop: only takes note."""
        self._signals.append(number)
        self._mailbox.wake()

    def _on_signals(self) -> None:
        while self._signals:
            self.asked = True
            number = self._signals.pop(0)
            again = self.signal is not None
            self.signal = self.signal or number
            if again:
                self.abort()
            else:
                self.drain()

    def _on_mail(self) -> None:
        for outcome in self._mailbox.take():
            self._ended(outcome)

    def _on_events(self, process: WorkerProcess) -> None:
        for event in process.read_events():
            if event.told is not None:
                self.on_told(event.told)
            elif event.event != "ready":
                self._ended(Outcome(process.name, event.event, event.failure))

    def _on_exit(self, process: WorkerProcess) -> None:
        text = process.exit_text()
        if text is None:
            return
        self.selector.unregister(process.pidfd)
        self._on_events(process)  # what it said before it went
        self.selector.unregister(process.events)
        if process.name in self._live:
            self._ended(failed(process.name, f"its process (pid {process.pid}) {text}", "E_WORKER_DIED"))

    def _ended(self, outcome: Outcome) -> None:
        self._live.discard(outcome.worker)
        if outcome.event == "aborted" and self.state in ("running", "draining"):
            # Not by us: somebody else wrote into the ring.
            outcome = failed(outcome.worker, "another process aborted its ring", "E_ABORTED")
        if outcome.failure is not None:
            # After an abort others fail too; what they say is an echo. But a worker may see that a peer
            # died before we hear which one it was.
            first, told = self.first_failure, outcome.failure
            echo = self.state == "aborting" and (self.asked or bool(self.stuck))
            if not echo and (first is None or (first.code == "E_PEER_DEAD" and told.code == "E_WORKER_DIED")):
                self.first_failure = told
            self.abort()


def _bound(call: Callable[[WorkerProcess], None], process: WorkerProcess) -> Callable[[], None]:
    return lambda: call(process)
