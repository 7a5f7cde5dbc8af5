"""Thread workers, how any worker's end is told, and the mailbox that brings it to the supervisor."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Mapping

import msgspec

from byteor.indexbus import MetricsRow
from byteor.runtime.folders import Failure
from byteor.runtime.words import in_words


class Outcome(msgspec.Struct, frozen=True):
    """How a worker ended. ``event`` is finished, aborted or failed; ``failure`` only when failed."""

    worker: str
    event: str
    failure: Failure | None = None


class Mailbox:
    """Outcomes from threads to the supervisor's selector: a queue, and an eventfd to select on."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._queue: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def put(self, outcome: Outcome) -> None:
        self._queue.put(outcome)
        self.wake()

    def wake(self) -> None:
        os.eventfd_write(self.fd, 1)

    def take(self) -> list[Outcome]:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass
        found = []
        while not self._queue.empty():
            found.append(self._queue.get())
        return found

    def close(self) -> None:
        os.close(self.fd)


class ThreadWorker:
    """One daemon thread that runs ``body`` to its end and posts the outcome, whatever happens in it.

    A daemon, because a sink may hang in the kernel for ever: the run must end all the same.
    """

    def __init__(self, name: str, body: Callable[[], Outcome], mailbox: Mailbox) -> None:
        self.name = name
        self._body = body
        self._mailbox = mailbox
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """True when the thread has ended, or was never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _main(self) -> None:
        self._mailbox.put(outcome_of(self.name, self._body))


def outcome_of(worker: str, body: Callable[[], Outcome]) -> Outcome:
    """What ``body`` says; whatever it raises is a failure of ``worker``, so that the run hears of it."""
    try:
        return body()
    except BaseException as error:  # noqa: BLE001  (SystemExit out of a user's code too)
        code, text = in_words(error)
        return failed(worker, text, code)


def with_rows(worker: str, rows: Mapping[str, MetricsRow], body: Callable[[], Outcome]) -> Outcome:
    """Run ``body``, the work of those whose rows these are, by name; they say running meanwhile, and
    afterwards how it ended. A failure stands in the row of whom it names, else in the first."""
    for row in rows.values():
        row.set_state("running")
    before = {name: row.value("errors") for name, row in rows.items()}
    outcome = outcome_of(worker, body)
    failure = outcome.failure
    culprit = None
    if failure is not None:
        culprit = failure.stage if failure.stage in rows else next(iter(rows))
        rows[culprit].error(failure.sequence or 0, failure.error)
        if rows[culprit].value("errors") == before[culprit]:  # the kernel's loops count their own
            rows[culprit].add("errors")
    for name, row in rows.items():
        row.set_state("failed" if name == culprit else "finished")
    return outcome


def failed(
    worker: str, error: str, code: str, sequence: int | None = None, digest: str | None = None
) -> Outcome:
    return Outcome(worker, "failed", Failure(worker, sequence, error, code, digest))
