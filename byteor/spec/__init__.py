"""Plans and specs: read, validate, lower, hash, explain. Deterministic, without side effects.

from byteor.spec import load
spec = load("specs/host-telemetry.plan.kv")   # SpecError names every fault
spec.spec_hash, spec.capabilities, spec.spec.stages
"""

from byteor.spec.document import Document, read_document
from byteor.spec.encode import encode, spec_hash
from byteor.spec.errors import SpecError
from byteor.spec.finding import Finding
from byteor.spec.model import LaneGraph, PipelinePlanV2, PipelineSpecV1, SingleRing
from byteor.spec.validate import CompileReport, check_document, check_value, compile_plan, load, validate_spec
from byteor.spec.validated import ValidatedSpec

__all__ = [
    "CompileReport",
    "Document",
    "Finding",
    "LaneGraph",
    "PipelinePlanV2",
    "PipelineSpecV1",
    "SingleRing",
    "SpecError",
    "ValidatedSpec",
    "check_document",
    "check_value",
    "compile_plan",
    "encode",
    "load",
    "read_document",
    "spec_hash",
    "validate_spec",
]
