"""The smallest set of inputs that still diverges: delta debugging (Zeller and Hildebrandt, 2002, ddmin).

A test is one replay of some of the inputs. For a stage with state, leaving inputs out may itself make outputs
differ: what is looked for is not any difference but the first one, in the same output, of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Diverges = Callable[[frozenset[int]], bool]

MOST_TESTS = 2_000


def minimize(
    origins: Sequence[int], diverges: Diverges, most: int = MOST_TESTS
) -> tuple[tuple[int, ...], int]:
    """A subset of ``origins`` that diverges, no part of which was seen to; and how many tests it took.

    ``origins`` itself must diverge. After ``most`` tests the smallest found so far is the answer.
    """
    held, parts, tests = list(origins), 2, 0
    while len(held) >= 2 and tests < most:
        size = -(-len(held) // parts)
        pieces = [held[at : at + size] for at in range(0, len(held), size)]
        for candidate in _candidates(pieces):
            tests += 1
            if diverges(frozenset(candidate)):
                # A piece that diverges by itself is divided anew; of a complement the grain is kept.
                parts = 2 if len(candidate) <= size else max(parts - 1, 2)
                held = candidate
                break
            if tests >= most:
                break
        else:
            if parts >= len(held):
                break
            parts = min(len(held), parts * 2)
    return tuple(held), tests


def _candidates(pieces: list[list[int]]) -> list[list[int]]:
    """Each piece, then each complement of one; from the end, where the fault is nearer."""
    alone = pieces[::-1]
    if len(pieces) <= 2:
        return alone
    without = [
        [origin for other, piece in enumerate(pieces) if other != left_out for origin in piece]
        for left_out in range(len(pieces))
    ]
    return [*alone, *without]
