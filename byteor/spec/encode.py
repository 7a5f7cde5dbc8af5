"""Model values to canonical KV, and the hash: the order of ``fields`` is the order of the text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from byteor.spec.fields import DOCUMENTS, Section
from byteor.spec.model import LaneGraph, PipelinePlanV2, SingleRing


def encode(value: SingleRing | LaneGraph | PipelinePlanV2) -> bytes:
    """The canonical text of ``value``: ASCII, one LF after each line, every default written out."""
    return "".join(lines(value)).encode("ascii")


def hash_text(canonical: bytes) -> str:
    """``sha256:`` and the hex digest of canonical text."""
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


def spec_hash(value: SingleRing | LaneGraph) -> str:
    return hash_text(encode(value))


def document_kind(value: SingleRing | LaneGraph | PipelinePlanV2) -> str:
    if isinstance(value, PipelinePlanV2):
        return "plan"
    return "single_ring" if isinstance(value, SingleRing) else "lane_graph"


def lines(value: Any) -> Iterator[str]:
    """The lines of the canonical text, one by one, each with its LF."""
    kind = document_kind(value)
    header = {"v": "2" if kind == "plan" else "1", "model": kind}
    for section in DOCUMENTS[kind]:
        if section.many:
            for index, row in enumerate(getattr(value, section.attribute)):
                yield from _row(f"{section.prefix}.{index}.", section, row)
        else:
            prefix = section.prefix + "." if section.prefix else ""
            owner = getattr(value, section.attribute) if section.attribute else value
            for field in section.fields:
                content = header.get(field.name) or getattr(owner, field.name)
                if content is not None:
                    yield f"{prefix}{field.name}={content}\n"


def _row(prefix: str, section: Section, row: Any) -> Iterator[str]:
    for field in section.fields:
        content = getattr(row, "from_" if field.name == "from" else field.name)
        if field.many:
            for index, item in enumerate(content):
                yield f"{prefix}{field.name}.{index}={item}\n"
        elif content is not None:
            yield f"{prefix}{field.name}={content}\n"
