"""Which workers share a thread or a process: fused where there are fewer free cores than workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from byteor.runtime.wiring.model import WorkerPlan

Executor = Literal["auto", "sp", "mp"]
Engine = Literal["native", "python", "edge"]  # the kernel; Python in a stage; a source or sink of ours


class Group(msgspec.Struct, frozen=True):
    """Workers (rows) that one thread of the supervisor, or one process, runs in turn."""

    where: Literal["thread", "process"]
    rows: tuple[int, ...]


def group_name(plans: Sequence[WorkerPlan]) -> str:
    """How the thread or process of these workers is called."""
    return plans[0].name if len(plans) == 1 else f"{plans[0].name}+{len(plans) - 1}"


def form_groups(engines: Sequence[Engine], executor: Executor, cores: int) -> tuple[Group, ...]:
    """Groups for workers given by engine, in the order in which messages meet them.

    An edge always has a thread of the supervisor to itself, for it may wait for its peer. ``auto`` gives
    each Python stage a process and shares the cores that are left among the native workers, fusing
    neighbours; ``sp`` keeps all in one process; ``mp`` gives every role a process and fuses nothing.
    """
    native = [row for row, engine in enumerate(engines) if engine == "native"]
    python = [row for row, engine in enumerate(engines) if engine == "python"]
    edges = [row for row, engine in enumerate(engines) if engine == "edge"]
    if executor == "mp":
        found = [Group("process", (row,)) for row in (*native, *python)]
    else:
        free = max(1, cores - len(python) - len(edges))
        found = [Group("thread", part) for part in _neighbours(native, free)]
        found += [Group("process" if executor == "auto" else "thread", (row,)) for row in python]
    found += [Group("thread", (row,)) for row in edges]
    return tuple(sorted(found, key=lambda group: group.rows))


def _neighbours(rows: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """``rows`` in at most ``parts`` runs of equal length, or one longer."""
    if len(rows) <= parts:
        return [(row,) for row in rows]
    short, longer = divmod(len(rows), parts)
    found, at = [], 0
    for part in range(parts):
        size = short + (part < longer)
        found.append(tuple(rows[at : at + size]))
        at += size
    return found
