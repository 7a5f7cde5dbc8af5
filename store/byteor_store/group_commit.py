"""Group commit without a thread of its own: one of those who wait commits for all, then hands over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class _Ticket(Generic[Ask, Answer]):
    """One caller's ask, and what became of it. ``wake`` is released when it is done or is to lead."""

    __slots__ = ("answers", "ask", "error", "leads", "wake")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answers: list[Answer] = []
        self.error: Exception | None = None
        self.leads = False
        self.wake = threading.Lock()
        self.wake.acquire()

    @property
    def done(self) -> bool:
        return bool(self.answers) or self.error is not None


class GroupCommit(Generic[Ask, Answer]):
    """Threads that commit at once share one transaction, and so one wait for the disk.

    ``commit`` takes asks in order and returns an answer for each, or raises and has then done nothing.
    A group that fails is tried again one by one, so that nobody pays for another's mistake.
    """

    def __init__(self, commit: Callable[[Sequence[Ask]], Sequence[Answer]]) -> None:
        self._commit = commit
        self._mutex = threading.Lock()  # of the two below; never held while committing
        self._waiting: deque[_Ticket[Ask, Answer]] = deque()
        self._led = False  # somebody leads, or was woken to

    def do(self, ask: Ask) -> Answer:
        """The answer to ``ask``, once it is committed. Raises what ``commit`` raised for it."""
        ticket: _Ticket[Ask, Answer] = _Ticket(ask)
        with self._mutex:
            self._waiting.append(ticket)
            ticket.leads, self._led = not self._led, True
        if not ticket.leads:
            try:
                ticket.wake.acquire()
            except BaseException:  # Ctrl-C while waiting: others must not wait for us to lead
                self._leave(ticket)
                raise
        if ticket.leads:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.answers[0]

    def _lead(self, own: _Ticket[Ask, Answer]) -> None:
        with self._mutex:
            group = list(self._waiting)
            self._waiting.clear()
        try:
            self._settle(group)
        finally:
            for ticket in group:
                if ticket.done and ticket is not own:
                    ticket.wake.release()
            # Not done: we were interrupted (Ctrl-C). The next leader takes them.
            self._hand_over([ticket for ticket in group if not ticket.done and ticket is not own])

    def _settle(self, group: Sequence[_Ticket[Ask, Answer]]) -> None:
        try:
            answers = self._commit([ticket.ask for ticket in group])
        except Exception as error:  # noqa: BLE001  (it is raised again, by the thread that it belongs to)
            if len(group) == 1:
                group[0].error = error
                return
            for ticket in group:
                self._settle([ticket])
            return
        for ticket, answer in zip(group, answers, strict=True):
            ticket.answers.append(answer)

    def _hand_over(self, undone: Sequence[_Ticket[Ask, Answer]] = ()) -> None:
        with self._mutex:
            self._waiting.extendleft(reversed(undone))
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].leads = True
                self._waiting[0].wake.release()

    def _leave(self, ticket: _Ticket[Ask, Answer]) -> None:
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        if ticket.leads:
            self._hand_over()
