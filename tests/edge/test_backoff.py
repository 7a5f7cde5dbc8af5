"""Waiting before the next try: doubling, spread out, bounded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge.backoff import Backoff


@settings(deadline=None)
@given(seed=st.integers(0, 1000), tries=st.integers(1, 60))
def test_a_wait_doubles_up_to_its_cap_and_half_of_it_is_random(seed: int, tries: int) -> None:
    backoff = Backoff(0, first_s=0.1, cap_s=5.0, rng=random.Random(seed))
    for number in range(tries):
        wait = backoff.wait_s()
        span = min(5.0, 0.1 * 2**number)
        assert wait is not None
        assert span / 2 <= wait <= span


def test_the_same_seed_waits_the_same() -> None:
    first, second = (Backoff(0, rng=random.Random(7)) for _ in range(2))
    assert [first.wait_s() for _ in range(9)] == [second.wait_s() for _ in range(9)]


def test_it_gives_up_after_its_time_and_begins_anew_after_a_success() -> None:
    now = [100.0]
    backoff = Backoff(10.0, rng=random.Random(1), clock=lambda: now[0])
    assert backoff.wait_s() is not None
    now[0] += 9.9
    last = backoff.wait_s()
    assert last is not None and last <= 0.11  # the last try comes when the time is up
    now[0] += 0.2
    assert backoff.wait_s() is None
    backoff.reset()
    assert backoff.wait_s() is not None


def test_a_peers_wish_is_kept_up_to_the_cap() -> None:
    backoff = Backoff(0, cap_s=2.0, rng=random.Random(1))
    assert backoff.wait_s(1.5) == 1.5
    assert backoff.wait_s(3600.0) == 2.0


def test_thousands_of_failures_do_not_overflow() -> None:
    backoff = Backoff(0)
    assert all((backoff.wait_s() or 9.0) <= 5.0 for _ in range(3000))
