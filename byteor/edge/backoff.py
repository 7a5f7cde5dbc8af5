"""How long to wait before the next try: doubling, with jitter, bounded (AWS's "equal jitter")."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

FIRST_S = 0.1
CAP_S = 5.0


class Backoff:
    """Half of each wait is fixed and half is random, so that many clients of one peer spread out.

    ``give_up_s`` after the first failure in a row ``wait_s`` says ``None``; 0 never gives up.
    """

    def __init__(
        self,
        give_up_s: float,
        *,
        first_s: float = FIRST_S,
        cap_s: float = CAP_S,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._give_up_s, self._first_s, self._cap_s = give_up_s, first_s, cap_s
        self._rng = random.Random() if rng is None else rng
        self._clock = clock
        self._tries = 0
        self._since = 0.0

    def wait_s(self, at_least_s: float = 0.0) -> float | None:
        """Seconds until the next try, not fewer than ``at_least_s`` (Retry-After; cut to the cap)."""
        now = self._clock()
        if self._tries == 0:
            self._since = now
        elif self._give_up_s and now - self._since >= self._give_up_s:
            return None
        # The exponent is cut: 2.0 ** 1100 overflows after a few hours of a peer that is away.
        span = min(self._cap_s, self._first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        wait = max(span / 2 + self._rng.random() * span / 2, min(at_least_s, self._cap_s))
        if not self._give_up_s:
            return wait
        return min(wait, max(0.0, self._since + self._give_up_s - now))

    def reset(self) -> None:
        """It went well: the next failure is the first one again."""
        self._tries = 0

    @property
    def tries(self) -> int:
        """Failures in a row."""
        return self._tries
