"""Delta debugging: few tests, a small answer, and always one that still diverges."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.incident.replay.minimize import minimize


@given(st.integers(1, 400), st.data())
@settings(max_examples=60)
def test_what_is_found_diverges_and_nothing_smaller_was_seen_to(count: int, data: st.DataObject) -> None:
    origins = list(range(count))
    needed = frozenset(data.draw(st.sets(st.sampled_from(origins), min_size=1, max_size=3)))
    found, tests = minimize(origins, lambda some: needed <= some)
    assert frozenset(found) == needed
    assert tests <= 2_000


def test_one_record_in_ten_thousand_takes_few_tests() -> None:
    found, tests = minimize(range(10_000), lambda some: 7_777 in some)
    assert found == (7_777,)
    assert tests < 40


def test_the_number_of_tests_is_bounded() -> None:
    found, tests = minimize(range(1_000), lambda some: len(some) >= 900, most=50)
    assert tests <= 50
    assert len(found) >= 900
