"""Where each stage of a ring goes and which row it writes."""

from __future__ import annotations

import pytest

from byteor.runtime.layout import RingLayout, lay_out


def ring(*depends_on: tuple[int, ...]) -> RingLayout:
    return lay_out([(f"s{i}", "identity", after, i % 2 == 0) for i, after in enumerate(depends_on)])


@pytest.mark.parametrize(
    ("depends_on", "terminals"),
    [
        ([()], (0,)),
        ([(), (0,), (1,)], (2,)),
        ([(), (0,), (0,), (1, 2)], (3,)),  # diamond
        ([(), (), ()], (0, 1, 2)),  # nobody waits for anybody
        ([(), (0,), (0,)], (1, 2)),
    ],
)
def test_a_stage_that_nobody_waits_for_is_terminal(
    depends_on: list[tuple[int, ...]], terminals: tuple[int, ...]
) -> None:
    assert ring(*depends_on).terminals == terminals


def test_rows_are_the_source_then_the_stages_then_the_sink() -> None:
    layout = ring((), (0,))
    workers = layout.workers("host:", "null:")
    assert [worker.row for worker in workers] == [0, 1, 2, 3] == list(range(layout.rows))
    assert [worker.role for worker in workers] == ["source", "stage", "stage", "sink"]
    assert [worker.where for worker in workers] == ["thread", "thread", "process", "thread"]
    assert workers[0].key == "host:"
