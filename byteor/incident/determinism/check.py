"""Run one recording under every condition and say which stage first gave something else, and under which."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

import msgspec

from byteor.errors import Exit
from byteor.incident.determinism.child import ChildOrder, ChildSaid
from byteor.incident.determinism.conditions import BASE, CONDITIONS, SAME, Condition
from byteor.incident.errors import IncidentError

CHILD_S = 120.0


class Finding(msgspec.Struct, frozen=True):
    """Under ``condition`` the stage gave something else for the same input; None: only outputs differ."""

    condition: str
    stage: str | None
    suspects: str
    detail: str = ""


class Checked(msgspec.Struct, frozen=True):
    """What was found, in the order of the table. ``stage``: the first one that differs anywhere."""

    conditions: tuple[str, ...]
    findings: tuple[Finding, ...]
    stage: str | None
    messages_out: int

    @property
    def deterministic(self) -> bool:
        return not self.findings


def check(order: ChildOrder, conditions: Sequence[Condition] = CONDITIONS) -> Checked:
    """One child at a time. Raises ``E_REPLAY_DIED`` when the pipeline does not run even undisturbed."""
    base = _child(order, SAME)
    if base.error is not None:
        raise IncidentError(
            "E_REPLAY_DIED",
            f"the pipeline cannot be replayed at all: {base.error}",
            hint="byteor replay shows more",
            exit=Exit.RUNTIME,
        )
    findings = [
        finding for one in conditions if (finding := compared(base, _child(order, one), one)) is not None
    ]
    places = [stage.name for stage in base.stages]
    named = [finding.stage for finding in findings if finding.stage in places]
    first = min(named, key=lambda name: places.index(name or ""), default=None)
    return Checked(tuple(one.name for one in conditions), tuple(findings), first, base.messages_out)


def compared(base: ChildSaid, other: ChildSaid, condition: Condition) -> Finding | None:
    """What differs from the undisturbed replay; None when nothing does. A function of values."""
    if other.error is not None:
        return Finding(condition.name, None, condition.suspects, other.error)
    for one, two in zip(base.stages, other.stages, strict=True):
        if one.given != two.given or one.messages != two.messages:
            if one.taken == two.taken or one.messages == two.messages:
                return Finding(condition.name, one.name, condition.suspects, other.failure or "")
            return Finding(
                condition.name, one.name, condition.suspects, other.failure or "its input differs too"
            )
    if base.failure != other.failure:
        return Finding(condition.name, None, condition.suspects, f"{base.failure} against {other.failure}")
    if base.outputs != other.outputs:
        return Finding(condition.name, None, condition.suspects, "the outputs differ")
    return None


def _child(order: ChildOrder, condition: Condition) -> ChildSaid:
    """Run one child; a child that dies or hangs is a result too."""
    order = msgspec.structs.replace(
        order, perturb=condition.perturb, batch=condition.batch, apart=condition.apart
    )
    environment = dict(_merged(os.environ.items(), BASE.items(), condition.env.items()))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "byteor.incident.determinism.child"],
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            env=environment,
            timeout=CHILD_S,
            check=False,
        )
        return msgspec.json.decode(done.stdout, type=ChildSaid)
    except subprocess.TimeoutExpired:
        return ChildSaid((), "", 0, error=f"it did not end within {CHILD_S:.0f} s")
    except ValueError:
        return ChildSaid((), "", 0, error=f"its process ended with code {done.returncode}")


def _merged(*layers: Iterable[tuple[str, str | None]]) -> Iterable[tuple[str, str]]:
    merged: dict[str, str | None] = {}
    for layer in layers:
        merged |= dict(layer)
    return ((name, value) for name, value in merged.items() if value is not None)
