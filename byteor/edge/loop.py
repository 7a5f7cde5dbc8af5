"""An asyncio loop in a thread of its own, for adapters whose peers must be answered while the run is busy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")
STOP_S = 2.0


class LoopThread:
    """Started by ``start``, ended by ``stop``, which cancels every task that is left."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self.loop.run_until_complete(asyncio.wait_for(_all(tasks), STOP_S))
        self.loop.run_until_complete(asyncio.sleep(0))  # what was aborted closes its socket a turn later
        self.loop.close()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, Result], timeout_s: float | None = None) -> Result:
        """Run ``work`` in the loop and wait for it. Raises what it raises."""
        return self.submit(work).result(timeout_s)

    def soon(self, callback: Callable[..., object], *values: object) -> None:
        """From any thread; nothing happens when the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *values)

    def stop(self) -> None:
        self.soon(self.loop.stop)
        if self._thread.is_alive():
            self._thread.join(2 * STOP_S)


async def _all(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
