"""Documents and values to a ``ValidatedSpec``: every rule, all findings at once; plans are lowered on
the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

import msgspec

from byteor.errors import Where
from byteor.spec.document import Document, read_document
from byteor.spec.encode import encode, hash_text, lines
from byteor.spec.errors import SpecError
from byteor.spec.finding import Finding, Findings
from byteor.spec.graph import check_graph
from byteor.spec.keys import capability
from byteor.spec.limits import check_geometry, check_stage_key
from byteor.spec.lower_graph import Inserted, lower_graph, name_clashes
from byteor.spec.lower_ring import lower_ring
from byteor.spec.model import LaneGraph, PipelinePlanV2, PlanStage, SingleRing
from byteor.spec.plan import check_plan
from byteor.spec.report import Report
from byteor.spec.ring import check_ring, check_settings, check_stages
from byteor.spec.validated import SEAL, ValidatedSpec


class CompileReport(msgspec.Struct, frozen=True):
    """What became of a document.

    ``spec`` is ``None`` when a diagnostic is an error. ``plan_diagnostics`` are the findings on what the
    person wrote, in the order of the phases, ``lowering_diagnostics`` what the compiler added to it (empty
    for a spec).
    """

    document: Document | None
    spec: ValidatedSpec | None
    plan_diagnostics: tuple[Finding, ...]
    lowering_diagnostics: tuple[Inserted, ...] = ()

    @property
    def ok(self) -> bool:
        return self.spec is not None

    def required(self) -> ValidatedSpec:
        """The spec; raises ``SpecError`` with all findings when there is none."""
        if self.spec is None:
            raise SpecError(self.plan_diagnostics)
        return self.spec


def load(path: str | os.PathLike[str], strict: bool = False) -> ValidatedSpec:
    """Read, validate and (a plan) lower ``path``. Raises ``SpecError`` with all findings."""
    return check_document(read_document(path, strict=strict)).required()


def check_document(document: Document) -> CompileReport:
    """Apply the rules of the document's model to what was read, as far as its form allows."""
    if document.value is None:
        return CompileReport(document, None, _placed(document, document.findings))
    findings = Findings(document.file)
    findings.extend(document.findings, document.errors, document.dropped)
    spec, inserted = _check(document.value, findings, document.lines, document.incomplete)
    return CompileReport(document, spec, _placed(document, findings), inserted)


def _placed(document: Document, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """``findings`` with a place each: what is missing altogether is missed at the start of the document."""
    found = tuple(findings)
    if document.format == "kv":
        return tuple(_at_start(finding) if finding.where.line is None else finding for finding in found)
    if not found:
        return found
    from byteor.spec.places import place_findings

    return place_findings(found, document.source, document.format)


def _at_start(finding: Finding) -> Finding:
    where = finding.where
    if where.key is None:  # about the file as a whole
        return finding
    return msgspec.structs.replace(finding, where=Where(where.file, 1, 1, where.key))


def check_value(value: SingleRing | LaneGraph | PipelinePlanV2) -> CompileReport:
    """The same for a value that was built in Python: it is written, and read back under the same rules."""
    text = list(lines(value))
    findings = Findings()
    for line in text:
        key, _, content = line[:-1].partition("=")
        if not content.isascii() or not content.isprintable():
            message = "a value is printable ASCII, not empty, without a blank at either end"
            findings.add("E_ENCODING", message, key=key, value=ascii(content))
    if findings.errors:
        return CompileReport(None, None, tuple(findings))
    return msgspec.structs.replace(
        check_document(read_document("".join(text).encode("ascii"))), document=None
    )


def compile_plan(plan: PipelinePlanV2) -> CompileReport:
    """Validate and lower ``plan``; the findings are in the report."""
    return check_value(plan)


def validate_spec(value: SingleRing | LaneGraph) -> ValidatedSpec:
    """The validated form of ``value``. Raises ``SpecError`` with all findings."""
    return check_value(value).required()


def _check(
    value: SingleRing | LaneGraph | PipelinePlanV2,
    findings: Findings,
    places: Mapping[str, int],
    incomplete: frozenset[str],
) -> tuple[ValidatedSpec | None, tuple[Inserted, ...]]:
    report = Report(findings, places)
    inserted: tuple[Inserted, ...] = ()
    if isinstance(value, PipelinePlanV2):
        check_plan(value, report, incomplete)
        if findings.errors or report.broken:
            _check_plan_limits(value, report, lambda rename: Report(findings, places, rename))
            return None, ()
        spec, rename, inserted = _lower(value, report)
        if report.broken:
            _check_plan_limits(value, report, lambda rename: Report(findings, places, rename))
            return None, inserted
        report = Report(findings, places, rename)
        _check_spec(spec, report)
    else:
        spec = value
        _check_spec(spec, report, incomplete)
    if findings.errors or report.broken:  # the second alone would be a rule broken that was not told
        return None, inserted
    canonical = encode(spec)
    return ValidatedSpec(SEAL, spec, canonical, hash_text(canonical), capabilities(spec)), inserted


def _check_spec(
    spec: SingleRing | LaneGraph, report: Report, incomplete: frozenset[str] = frozenset()
) -> None:
    if isinstance(spec, SingleRing):
        check_ring(spec, report, incomplete)
    else:
        check_graph(spec, report, incomplete)


def _check_plan_limits(plan: PipelinePlanV2, report: Report, inner: Callable[..., Report]) -> None:
    """A plan that cannot be lowered is still told about what its shape has no part in, so that one pass says
    all."""
    if plan.target == "SingleRing":
        alone = msgspec.structs.replace(plan, stages=tuple(PlanStage(s.id, s.key) for s in plan.stages))
        if len({stage.id for stage in plan.stages}) == len(plan.stages):
            spec, origin = lower_ring(alone)
            told = inner(lambda key: _ring_key(key, origin))
            check_settings(spec, told)
            check_stages(spec.stages, told)
            return
    check_geometry(plan.constraints.capacity, plan.constraints.slot_bytes, "pipeline.constraints.", report)
    for index, stage in enumerate(plan.stages):
        check_stage_key(stage.key, f"pipeline.stages.{index}.key", report)


def _lower(
    plan: PipelinePlanV2, report: Report
) -> tuple[SingleRing | LaneGraph, Callable[[str], str], tuple[Inserted, ...]]:
    """The spec, how its keys are called in the plan, and what was inserted; ``E_DUPLICATE`` to ``report``."""
    if plan.target == "SingleRing":
        ring, origin = lower_ring(plan)
        return ring, lambda key: _ring_key(key, origin), ()
    lowered = lower_graph(plan)
    for what, name, first, second in name_clashes(lowered):
        message = f"`{first}` and `{second}` would both make a {what} `{name}`"
        report.add(
            "E_DUPLICATE", message, second, value=name, hint="rename a stage or boundary of one of them"
        )
    origins = {"lanes": lowered.lane_origin, "roles": lowered.role_origin}
    return lowered.spec, lambda key: _graph_key(key, origins), lowered.inserted


def _ring_key(key: str, origin: dict[int, int]) -> str:
    head, _, rest = key.removeprefix("single_ring.").partition(".")
    if head != "stages":
        return f"pipeline.constraints.{head}"
    index, _, field = rest.partition(".")
    if not index:
        return "pipeline.stages"
    return f"pipeline.stages.{origin[int(index)]}" + (
        f".{'id' if field == 'name' else field}" if field else ""
    )


def _graph_key(key: str, origins: dict[str, tuple[str, ...]]) -> str:
    parts = key.split(".")
    if parts[-1] in ("capacity", "slot_bytes") or key == "lane_graph.lanes":
        return f"pipeline.constraints.{parts[-1] if len(parts) > 2 else 'capacity'}"
    if len(parts) < 3:
        return "pipeline.connections"
    origin = origins[parts[1]][int(parts[2])] if parts[1] in origins else "pipeline.boundaries." + parts[2]
    return origin + (".key" if parts[-1] == "key" else "")


def capabilities(spec: SingleRing | LaneGraph) -> tuple[str, ...]:
    """What the stages of ``spec`` may do to the outside, sorted by UTF-8 bytes, each once."""
    keys = (
        [s.key for s in spec.stages] if isinstance(spec, SingleRing) else [r.key for r in spec.roles if r.key]
    )
    needed = {capability(key) for key in keys}
    return tuple(sorted(need for need in needed if need is not None))
