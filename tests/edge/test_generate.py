"""The generator: seeded, countable, printable."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge import parse_source


def take(spec: str, batch: int) -> list[bytes]:
    source = parse_source(spec)
    source.open()
    messages: list[bytes] = []
    while (part := source.read(batch, 0)) is not None:
        messages += part
    return messages


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    size=st.integers(1, 300),
    seed=st.integers(0, 3),
    batches=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_the_same_seed_gives_the_same_messages_whatever_the_batches(
    count: int, size: int, seed: int, batches: tuple[int, int]
) -> None:
    spec = f"generate:{count},{size},{seed}"
    first, second = (take(spec, batch) for batch in batches)
    assert first == second
    assert [len(message) for message in first] == [size] * count
    assert all(message.isascii() and b"\n" not in message for message in first)


def test_messages_are_numbered_so_that_a_lost_one_shows() -> None:
    assert [int(message[:16]) for message in take("generate:1000,64", 33)] == list(range(1000))


def test_another_seed_gives_other_messages() -> None:
    assert take("generate:10,64,1", 10) != take("generate:10,64,2", 10)


def test_a_count_of_zero_never_ends() -> None:
    source = parse_source("generate:0,8")
    assert all(source.read(1000, 0) for _ in range(50))
    assert source.checkpoint() == 50_000
