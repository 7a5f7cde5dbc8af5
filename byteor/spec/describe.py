"""What a spec is, as facts and as one screen of text: identity, shape, sizes, what it may do to the
outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from byteor.spec.keys import builtin, capability
from byteor.spec.limits import memory_bytes, region_bytes
from byteor.spec.model import LaneGraph, Role, SingleRing
from byteor.spec.validate import CompileReport
from byteor.spec.validated import ValidatedSpec

_SCREEN_LANES = 24
_DEEPEST = 12


def describe(report: CompileReport) -> dict[str, Any]:
    """The facts, in the field names of ``byteor describe --json``. Raises ``SpecError`` when there is no
    spec."""
    valid = report.required()
    spec = valid.spec
    facts: dict[str, Any] = {"name": valid.name, "model": valid.model, "spec_hash": valid.spec_hash}
    document = report.document
    if document is not None and document.kind == "plan":
        facts["plan"] = {
            "target": document.value.target,  # type: ignore[union-attr]  # a plan
            "description": document.value.description,  # type: ignore[union-attr]
            "inserted": [
                {"kind": one.kind, "subject": one.subject, "message": one.message}
                for one in report.lowering_diagnostics
            ],
        }
    facts |= _ring_facts(spec) if isinstance(spec, SingleRing) else _graph_facts(spec)
    facts["capabilities"] = list(valid.capabilities)
    facts["memory_bytes"] = memory_bytes(spec)
    facts["warnings"] = [
        f"{finding.code}: {finding.message}"
        for finding in report.plan_diagnostics
        if finding.severity == "warning"
    ]
    return facts


def _ring_facts(spec: SingleRing) -> dict[str, Any]:
    names = [stage.name for stage in spec.stages]
    return {
        "shards": spec.shards,
        "ordering": spec.ordering,
        "shard_key": spec.shard_key,
        "capacity": spec.capacity,
        "slot_bytes": spec.slot_bytes,
        "stages": [
            {
                "name": stage.name,
                "key": stage.key,
                "depends_on": [names[need] for need in stage.depends_on],
                "writes": _writes(stage.key),
                "capability": capability(stage.key),
            }
            for stage in spec.stages
        ],
    }


def _graph_facts(spec: LaneGraph) -> dict[str, Any]:
    return {
        "on_full": spec.on_full,
        "endpoints": [{"name": e.name, "kind": e.kind, "lane": e.lane} for e in spec.endpoints],
        "lanes": [
            {
                "name": lane.name,
                "kind": lane.kind,
                "producers": lane.producers,
                "capacity": lane.capacity,
                "slot_bytes": lane.slot_bytes,
                "consumers": lane.consumers,
                "memory_bytes": region_bytes(lane.capacity, lane.slot_bytes),
            }
            for lane in spec.lanes
        ],
        "roles": [
            {
                "name": role.name,
                "kind": role.kind,
                "key": role.key,
                "mode": role.mode,
                "policy": role.policy,
                "rx": list(role.rx),
                "tx": list(role.tx),
                "writes": None if role.key is None else _writes(role.key),
                "capability": None if role.key is None else capability(role.key),
            }
            for role in spec.roles
        ],
    }


def _writes(key: str) -> bool | None:
    known = builtin(key)
    return None if known is None else known.writes


def bytes_text(count: int) -> str:
    """``count`` bytes for a person: 1.1 MiB."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def describe_text(report: CompileReport) -> str:
    """The same facts for a person, in plain ASCII."""
    facts = describe(report)
    valid = report.required()
    lines = [f"{valid.name}  {valid.model}", valid.spec_hash]
    plan = facts.get("plan")
    if plan is not None and plan["description"]:
        lines.append(plan["description"])
    lines.append("")
    if isinstance(valid.spec, SingleRing):
        lines += _ring_lines(valid.spec)
    else:
        lines += _graph_lines(valid.spec)
    lines += ["", f"memory       {bytes_text(facts['memory_bytes'])}"]
    lines += _needs_lines(valid)
    if plan is not None:
        lines += [f"inserted     {one['subject']}: {one['message']}" for one in plan["inserted"]]
    lines += [f"warning      {warning}" for warning in facts["warnings"]]
    return "\n".join(lines) + "\n"


def _needs_lines(valid: ValidatedSpec) -> list[str]:
    if not valid.capabilities:
        return ["needs        nothing: no stage has a side effect"]
    return [f"needs        {need}" for need in valid.capabilities]


def _ring_lines(spec: SingleRing) -> list[str]:
    shards = f"{spec.shards} shards by {spec.shard_key}" if spec.shards > 1 else "1 shard"
    lines = [f"ring         {spec.capacity:,} slots of {spec.slot_bytes:,} bytes, {shards}, {spec.ordering}"]
    names = [stage.name for stage in spec.stages]
    depth: list[int] = []
    for stage in spec.stages:
        depth.append(1 + max((depth[need] for need in stage.depends_on), default=0))
    lines.append("ingress")
    for index, stage in enumerate(spec.stages):
        after = ", ".join(names[need] for need in stage.depends_on) or "ingress"
        mark = "  ! acts" if capability(stage.key) else ""
        lines.append(f"{'   ' * (depth[index] - 1)}`- {stage.name}  {stage.key}  (after {after}){mark}")
    needed = {need for stage in spec.stages for need in stage.depends_on}
    last = [names[index] for index in range(len(names)) if index not in needed]
    lines.append(f"egress  (after {', '.join(last)})")
    return lines


def _graph_lines(spec: LaneGraph) -> list[str]:
    lines = [f"when full    {spec.on_full}", *_tree(spec), ""]
    if len(spec.lanes) <= _SCREEN_LANES:
        for lane in spec.lanes:
            more = f"  {lane.consumers} consumers" if lane.consumers is not None else ""
            more += "  several producers" if lane.producers == "multi" else ""
            size = f"{lane.capacity:,} x {lane.slot_bytes:,} bytes"
            lines.append(f"lane         {lane.name}  {lane.kind}  {size}{more}")
        return lines
    counts: dict[str, int] = {}
    for lane in spec.lanes:
        counts[lane.kind] = counts.get(lane.kind, 0) + 1
    return [*lines, "lanes        " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))]


def _tree(spec: LaneGraph) -> list[str]:
    """From every ingress along the lanes. One reader goes on below, several stand indented; a role is shown
    in full once."""
    readers: dict[str, list[Role | str]] = {}
    for role in spec.roles:
        for lane in role.rx:
            readers.setdefault(lane, []).append(role)
    for endpoint in spec.endpoints:
        if endpoint.kind == "egress":
            readers.setdefault(endpoint.lane, []).append(f"{endpoint.name}  egress")
    lines: list[str] = []
    shown: set[str] = set()
    for endpoint in spec.endpoints:
        if endpoint.kind != "ingress":
            continue
        lines.append(f"{endpoint.name}  ingress")
        stack = _children([endpoint.lane], readers, 0, indented=False)
        while stack:
            node, lane, depth, branch = stack.pop()
            prefix = "   " * min(depth, _DEEPEST) + ("+- " if branch else "-> ") + lane
            if isinstance(node, str):
                lines.append(f"{prefix} -> {node}")
            elif node.name in shown:
                lines.append(f"{prefix} -> {node.name}  (above)")
            else:
                shown.add(node.name)
                lines.append(f"{prefix} -> {node.name}  {_role_text(node)}".rstrip())
                stack += _children(node.tx, readers, depth, indented=branch)
    return lines


def _children(
    lanes: Sequence[str], readers: Mapping[str, Sequence[Role | str]], depth: int, *, indented: bool
) -> list[tuple[Role | str, str, int, bool]]:
    """Who reads ``lanes``, last first: (reader, lane, depth, whether it is one of several)."""
    found = [(reader, lane) for lane in lanes for reader in readers.get(lane, ())]
    branch = len(found) > 1
    deeper = depth + (branch or indented)
    return [(reader, lane, deeper, branch) for reader, lane in reversed(found)]


def _role_text(role: Role) -> str:
    mark = "  ! acts" if role.key is not None and capability(role.key) else ""
    detail: Sequence[str | None] = (role.key, role.mode, role.policy)
    words = " ".join(word for word in detail if word)
    return (f"{words}{mark}" if role.kind == "stage" else f"[{role.kind}] {words}").rstrip()
