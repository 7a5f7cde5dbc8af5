"""Model values to canonical KV, and the hash: the order of ``fields`` is the order of the text."""

from __future__ import annotations

import hashlib
from typing import Any

from byteor.spec.fields import DOCUMENTS
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


def lines(value: Any) -> list[str]:
    """The lines of the canonical text, each with its LF."""
    kind = document_kind(value)
    header = {"v": "2" if kind == "plan" else "1", "model": kind}
    made: list[str] = []
    for section in DOCUMENTS[kind]:
        if section.many:
            fields = [(field.name, attribute(field.name), field.many) for field in section.fields]
            for index, row in enumerate(getattr(value, section.attribute)):
                _add_row(made, f"{section.prefix}.{index}.", fields, row)
        else:
            prefix = section.prefix + "." if section.prefix else ""
            owner = getattr(value, section.attribute) if section.attribute else value
            for field in section.fields:
                content = header.get(field.name) or getattr(owner, field.name)
                if content is not None:
                    made.append(f"{prefix}{field.name}={content}\n")
    return made


def attribute(name: str) -> str:
    """The attribute of the model that holds field ``name``: ``from`` is a word of Python's."""
    return "from_" if name == "from" else name


def _add_row(made: list[str], prefix: str, fields: list[tuple[str, str, bool]], row: Any) -> None:
    for name, attribute_name, many in fields:
        content = getattr(row, attribute_name)
        if many:
            for index, item in enumerate(content):
                made.append(f"{prefix}{name}.{index}={item}\n")
        elif content is not None:
            made.append(f"{prefix}{name}={content}\n")
