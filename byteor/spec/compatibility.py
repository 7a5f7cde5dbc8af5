"""May a new spec take an old one's place: does it need an approval, can it go in live or only after
draining."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.spec.diff import SpecDiff, diff
from byteor.spec.model import LaneGraph, SingleRing
from byteor.spec.validated import ValidatedSpec


class Compatibility(msgspec.Struct, frozen=True):
    """``replace`` is live (nothing to do: same hash), drained, or no. ``needs_approval``: where side
    effects need one, the new spec needs one of its own. ``voids_approvals``: approvals of the old
    spec do not cover it. ``reasons`` say why, the deciding ones first."""

    diff: SpecDiff
    replace: str
    needs_approval: bool
    voids_approvals: bool
    reasons: tuple[str, ...]


def compatibility(old: ValidatedSpec, new: ValidatedSpec) -> Compatibility:
    """Judge ``new`` as the successor of ``old``.

    Regions carry the hash of the spec that they were made for and credentials name it, so a spec with
    another hash always gets new regions (drained at best) and is never covered by an old approval.
    """
    difference = diff(old, new)
    if difference.same:
        return Compatibility(difference, "live", False, False, ("the hashes are equal: it is the same spec",))
    blocking = _ends_that_differ(old.spec, new.spec)
    reasons = list(blocking)
    reasons.append("regions carry the old hash, so a live run cannot take the new spec over")
    if new.capabilities:
        reasons.append("an approval names one hash; the new spec has side effects and another hash")
    else:
        reasons.append("the new spec has no side effect, so it needs no approval")
    reasons += [f"gained capability {name}" for name in difference.gained]
    reasons += [f"lost capability {name}" for name in difference.lost]
    reasons += _warnings(old.spec, new.spec)
    return Compatibility(
        difference,
        "no" if blocking else "drained",
        bool(new.capabilities),
        bool(old.capabilities),
        tuple(reasons),
    )


def _ends_that_differ(old: SingleRing | LaneGraph, new: SingleRing | LaneGraph) -> Sequence[str]:
    """Where sources and sinks of the old spec find no place in the new one."""
    reasons = []
    ends_old, ends_new = _ends(old), _ends(new)
    for kind in ("ingress", "egress"):
        if isinstance(old, SingleRing) != isinstance(new, SingleRing):
            if len(ends_old[kind]) != len(ends_new[kind]):
                reasons.append(f"{len(ends_old[kind])} {kind} before, {len(ends_new[kind])} after")
            continue
        for name in sorted(ends_old[kind] - ends_new[kind]):
            reasons.append(f"{kind} `{name}` is gone: what is bound to it has no place")
        for name in sorted(ends_new[kind] - ends_old[kind]):
            reasons.append(f"{kind} `{name}` is new: nothing is bound to it")
    return reasons


def _ends(spec: SingleRing | LaneGraph) -> dict[str, set[str]]:
    if isinstance(spec, SingleRing):
        return {"ingress": {""}, "egress": {""}}
    return {
        kind: {endpoint.name for endpoint in spec.endpoints if endpoint.kind == kind}
        for kind in ("ingress", "egress")
    }


def _warnings(old: SingleRing | LaneGraph, new: SingleRing | LaneGraph) -> Sequence[str]:
    reasons = []
    before, after = _smallest_slot(old), _smallest_slot(new)
    if after < before:
        reasons.append(f"slots shrink from {before} to {after} bytes: longer messages stop the run")
    if isinstance(old, SingleRing) and isinstance(new, SingleRing):
        if (old.shards, old.shard_key) != (new.shards, new.shard_key):
            reasons.append("messages are sharded differently: order holds only within each run")
    elif isinstance(old, LaneGraph) and isinstance(new, LaneGraph) and old.on_full != new.on_full:
        reasons.append(f"a full lane now means {new.on_full}, not {old.on_full}")
    return reasons


def _smallest_slot(spec: SingleRing | LaneGraph) -> int:
    if isinstance(spec, SingleRing):
        return spec.slot_bytes
    return min(lane.slot_bytes for lane in spec.lanes)
