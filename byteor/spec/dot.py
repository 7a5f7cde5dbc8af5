"""A spec as Graphviz text: stable order, inserted infrastructure dashed, stages that act in a second
colour."""

from __future__ import annotations

from collections.abc import Iterator

from byteor.spec.keys import capability
from byteor.spec.model import LaneGraph, SingleRing
from byteor.spec.validated import ValidatedSpec

_ACTING = "#f6c6a8"
_PLAIN = "#dbe7f3"


def dot(valid: ValidatedSpec) -> str:
    """Graphviz text of ``valid``. The same spec gives the same text."""
    spec = valid.spec
    body = _ring(spec) if isinstance(spec, SingleRing) else _graph(spec)
    label = _quote(f"{valid.name}\n{valid.spec_hash}")
    head = [
        f"digraph {_quote(valid.name)} {{",
        "  rankdir=LR;",
        f"  label={label};",
        '  labelloc="t";',
        f'  node [shape=box, style="filled", fillcolor="{_PLAIN}", fontname="monospace"];',
        '  edge [fontname="monospace", fontsize=10];',
    ]
    return "\n".join([*head, *(f"  {line}" for line in body), "}"]) + "\n"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _stage(name: str, key: str) -> str:
    colour = f', fillcolor="{_ACTING}"' if capability(key) else ""
    return f"{_quote('stage ' + name)} [label={_quote(name + chr(10) + key)}{colour}];"


def _ring(spec: SingleRing) -> Iterator[str]:
    yield '"ingress" [shape=cds];'
    yield '"egress" [shape=cds];'
    for stage in spec.stages:
        yield _stage(stage.name, stage.key)
    needed: set[int] = set()
    for stage in spec.stages:
        target = _quote("stage " + stage.name)
        if not stage.depends_on:
            yield f'"ingress" -> {target};'
        for need in stage.depends_on:
            needed.add(need)
            yield f"{_quote('stage ' + spec.stages[need].name)} -> {target};"
    for index, stage in enumerate(spec.stages):
        if index not in needed:
            yield f'{_quote("stage " + stage.name)} -> "egress";'


def _graph(spec: LaneGraph) -> Iterator[str]:
    sources: dict[str, list[str]] = {lane.name: [] for lane in spec.lanes}
    targets: dict[str, list[str]] = {lane.name: [] for lane in spec.lanes}
    for endpoint in spec.endpoints:
        node = _quote("endpoint " + endpoint.name)
        yield f"{node} [label={_quote(endpoint.name)}, shape=cds];"
        (sources if endpoint.kind == "ingress" else targets)[endpoint.lane].append(node)
    for role in spec.roles:
        node = _quote("stage " + role.name)
        if role.key is not None:
            yield _stage(role.name, role.key)
        else:
            words = " ".join(word for word in (role.kind, role.mode, role.policy) if word)
            yield f'{node} [label={_quote(role.name + chr(10) + words)}, style="dashed"];'
        for lane in role.tx:
            sources[lane].append(node)
        for lane in role.rx:
            targets[lane].append(node)
    for lane_ in spec.lanes:
        ends = targets[lane_.name]
        if not ends:  # a journal that nobody reads
            ends = [_quote("lane " + lane_.name)]
            yield f"{ends[0]} [label={_quote(lane_.name)}, shape=cylinder];"
        for source in sources[lane_.name]:
            for target in ends:
                yield f"{source} -> {target} [label={_quote(lane_.name + chr(10) + lane_.kind)}];"
