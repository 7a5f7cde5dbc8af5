"""Two states of an incident's run to hold beside each other: the snapshot nearest to it, and the bundle's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from byteor.errors import ByteorError
from byteor_tui.model.snapshots import SUFFIX, read_snapshot, sample_of
from byteor_tui.model.text import clean

if TYPE_CHECKING:
    from byteor.runtime.sample import RunSample

MEMBERS = ("single_ring_snapshot.json", "lane_graph_state.json")


class Worker(msgspec.Struct, frozen=True):
    name: str
    state: str
    messages_in: int
    messages_out: int
    errors: int
    lag: int


class Side(msgspec.Struct, frozen=True):
    """The run as ``label`` tells of it."""

    label: str
    at_unix_ns: int
    workers: tuple[Worker, ...]

    def worker(self, name: str) -> Worker | None:
        return next((one for one in self.workers if one.name == name), None)


def sides_of(state: dict[str, Any], folder: Path) -> tuple[Side, ...]:
    """The run's newest snapshot in ``folder`` from before ``state``, then ``state``."""
    try:
        held = sample_of(state)
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()
    files = sorted(folder.glob("*" + SUFFIX), reverse=True)  # names end in their moment
    for path in [one for one in files if one.name.startswith(held.run_id + ".")]:
        try:
            taken = read_snapshot(path)
        except ByteorError:
            continue
        if taken.taken_unix_ns <= held.taken_unix_ns:
            return (_side("snapshot", taken), _side("bundle", held))
    return (_side("bundle", held),)


def _side(label: str, sample: RunSample) -> Side:
    return Side(
        label,
        sample.taken_unix_ns,
        tuple(
            Worker(clean(one.name), clean(one.state), one.messages_in, one.messages_out, one.errors, one.lag)
            for one in sample.workers
        ),
    )
