"""Who shares a thread or a process."""

from __future__ import annotations

import pytest

from byteor.runtime.wiring.groups import Engine, Executor, Group, form_groups

N, P, E = "native", "python", "edge"


def told(groups: tuple[Group, ...]) -> str:
    """Like ``t:0 p:1 t:2,3``."""
    return " ".join(f"{group.where[0]}:{','.join(map(str, group.rows))}" for group in groups)


@pytest.mark.parametrize(
    ("engines", "executor", "cores", "expected"),
    [
        ([N, N, N, N, N], "auto", 8, "t:0 t:1 t:2 t:3 t:4"),
        ([N, N, N, N, N], "auto", 5, "t:0 t:1 t:2 t:3 t:4"),
        ([N, N, N, N, N], "auto", 2, "t:0,1,2 t:3,4"),
        ([N, N, N, N, N], "auto", 1, "t:0,1,2,3,4"),
        ([E, N, N, N, E], "auto", 2, "t:0 t:1,2,3 t:4"),
        ([E, N, N, N, E], "auto", 4, "t:0 t:1,2 t:3 t:4"),
        ([E, P, N, P, N, E], "auto", 2, "t:0 p:1 t:2,4 p:3 t:5"),
        ([E, P, N, P, N, E], "sp", 8, "t:0 t:1 t:2 t:3 t:4 t:5"),
        ([E, P, N, P, N, E], "sp", 4, "t:0 t:1 t:2,4 t:3 t:5"),
        ([E, P, N, N, E], "mp", 1, "t:0 p:1 p:2 p:3 t:4"),
        ([N], "mp", 1, "p:0"),
    ],
)
def test_native_neighbours_share_what_cores_are_free(
    engines: list[Engine], executor: Executor, cores: int, expected: str
) -> None:
    groups = form_groups(engines, executor, cores)
    assert told(groups) == expected
    assert sorted(row for group in groups for row in group.rows) == list(range(len(engines)))
