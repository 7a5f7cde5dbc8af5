"""Choose how a spec of either model is wired."""

from __future__ import annotations

from byteor.runtime.wiring.graph import wire_graph
from byteor.runtime.wiring.model import Wiring
from byteor.runtime.wiring.ring import wire_ring
from byteor.spec import LaneGraph, SingleRing


def wire(spec: SingleRing | LaneGraph) -> Wiring:
    """Lanes and workers of a valid ``spec``."""
    return wire_ring(spec) if isinstance(spec, SingleRing) else wire_graph(spec)
