"""The bounded queue between a server's thread and the run that reads from it, with receipts.

A receipt is settled when the run has published every message of it: the run asks for more only after it has
published what it got before.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

MAX_MESSAGES = 4096
MAX_BYTES = 16 << 20

Settle = Callable[[bool], None]


class Receipt:
    """What one request brought. ``settle`` is called once, from the run's thread: published or not."""

    def __init__(self, messages: list[bytes], settle: Settle | None) -> None:
        self.messages = messages
        self.settle = settle
        self.at = 0  # handed over so far


class Intake:
    """``offer`` and ``withdraw`` for the server, ``take`` for the run; any thread may close."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._some = threading.Condition()
        self._waiting: deque[Receipt] = deque()
        self._handed: list[Receipt] = []  # handed over whole by the last take, not yet published
        self._messages = 0
        self._bytes = 0
        self._closed = False

    def offer(self, messages: list[bytes], settle: Settle | None = None) -> Receipt | None:
        """Queue a request, whole or not at all: ``None`` when there is no room for it (or no run)."""
        size = sum(map(len, messages))
        with self._some:
            full = self._messages + len(messages) > self._max_messages or self._bytes + size > self._max_bytes
            if self._closed or (full and self._waiting):
                return None
            receipt = Receipt(messages, settle)
            self._waiting.append(receipt)
            self._messages += len(messages)
            self._bytes += size
            self._some.notify()
            return receipt

    def withdraw(self, receipt: Receipt) -> bool:
        """Take a request back that the run has not begun; False when it is too late."""
        with self._some:
            if receipt.at or receipt not in self._waiting:
                return False
            self._waiting.remove(receipt)
            self._forget(receipt.messages)
            return True

    def take(self, max_messages: int, timeout_s: float) -> list[bytes]:
        """Up to ``max_messages``; what the last call returned counts as published now."""
        deadline = time.monotonic() + timeout_s
        batch: list[bytes] = []
        with self._some:
            published, self._handed = self._handed, []
        for receipt in published:
            if receipt.settle is not None:
                receipt.settle(True)
        with self._some:
            while not self._waiting:
                if not self._some.wait(max(0.0, deadline - time.monotonic())):
                    return batch
            while self._waiting and len(batch) < max_messages:
                receipt = self._waiting[0]
                part = receipt.messages[receipt.at : receipt.at + max_messages - len(batch)]
                receipt.at += len(part)
                batch += part
                self._forget(part)
                if receipt.at == len(receipt.messages):
                    self._handed.append(self._waiting.popleft())
        return batch

    def _forget(self, messages: list[bytes]) -> None:
        self._messages -= len(messages)
        self._bytes -= sum(map(len, messages))

    def depth(self) -> int:
        """Messages that wait for the run."""
        return self._messages

    def close(self) -> None:
        """No more offers; what was not published is settled as such."""
        with self._some:
            self._closed = True
            left = [*self._handed, *self._waiting]
            self._waiting.clear()
            self._handed.clear()
            self._some.notify_all()
        for receipt in left:
            if receipt.settle is not None:
                receipt.settle(False)
