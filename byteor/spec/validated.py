"""A spec that has passed every rule, as a type of its own: only ``byteor.spec.validate`` can make one."""

from __future__ import annotations

from typing import Final

from byteor.spec.encode import document_kind
from byteor.spec.model import LaneGraph, SingleRing

SEAL: Final = object()


class ValidatedSpec:
    """What an executor takes. ``canonical`` is the canonical KV text, ``spec_hash`` its ``sha256:...``,
    ``capabilities`` what its stages may do to the outside, sorted, each once."""

    __slots__ = ("canonical", "capabilities", "spec", "spec_hash")

    spec: SingleRing | LaneGraph
    canonical: bytes
    spec_hash: str
    capabilities: tuple[str, ...]

    def __init__(
        self,
        seal: object,
        spec: SingleRing | LaneGraph,
        canonical: bytes,
        spec_hash: str,
        capabilities: tuple[str, ...],
    ) -> None:
        if seal is not SEAL:
            raise TypeError("only byteor.spec.validate makes a ValidatedSpec")
        for name, value in zip(
            ("spec", "canonical", "spec_hash", "capabilities"),
            (spec, canonical, spec_hash, capabilities),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a ValidatedSpec does not change")

    def __reduce__(self) -> str:
        raise TypeError("a ValidatedSpec is not pickled: pass .canonical and validate it again")

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def model(self) -> str:
        """``single_ring`` or ``lane_graph``."""
        return document_kind(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidatedSpec) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"<ValidatedSpec {self.name} {self.model} {self.spec_hash}>"
