"""A file or bytes to a ``Document``: which of KV, JSON and TOML it is, what it holds, what is wrong with
its form."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from byteor.spec.decode import decode
from byteor.spec.encode import encode
from byteor.spec.files import MAX_FILE_BYTES, read_bounded
from byteor.spec.finding import Finding, Findings
from byteor.spec.lines import read_lines
from byteor.spec.model import LaneGraph, PipelinePlanV2, SingleRing

FORMATS = ("kv", "json", "toml")


class Document(msgspec.Struct, frozen=True):
    """What was read from ``file`` (``None``: from bytes), judged only as to its form.

    ``model`` is single_ring, lane_graph or plan, or ``None`` when that cannot be told; then ``value`` is
    too. ``incomplete`` names lists that hold stand-ins for what was wrong, ``lines`` maps keys to lines,
    ``findings`` are of the categories parse and structure; ``errors`` counts all errors, ``dropped`` what
    was too much to keep.
    """

    file: str | None
    model: str | None
    value: SingleRing | LaneGraph | PipelinePlanV2 | None
    findings: tuple[Finding, ...]
    errors: int
    dropped: int
    incomplete: frozenset[str]
    lines: Mapping[str, int]
    format: str = "kv"
    source: bytes = b""  # only of JSON and TOML, to find places in

    @property
    def kind(self) -> str | None:
        """``plan`` or ``spec``."""
        return None if self.model is None else "plan" if self.model == "plan" else "spec"

    def canonical(self) -> bytes | None:
        """The canonical text, when the form is right."""
        return None if self.value is None or self.errors else encode(self.value)


def read_document(
    source: str | os.PathLike[str] | bytes, *, format: str | None = None, strict: bool = False
) -> Document:
    """Read a plan or spec from a path or from bytes.

    ``format`` is kv, json or toml (from the file's name when not given; bytes are KV). ``strict`` makes an
    unknown key an error. Findings are in the document; only a file that cannot be read at all raises
    ``SpecError`` (``E_NOT_FOUND``, ``E_FILE``, ``E_FILE_SIZE``, ``E_CHANGED``).
    """
    if isinstance(source, bytes):
        file, data = None, source
    else:
        file = os.fspath(source)
        data = read_bounded(file)
    findings = Findings(file)
    form = format or _format_of(file)
    if len(data) > MAX_FILE_BYTES:
        findings.add("E_FILE_SIZE", f"the document is {len(data):,} bytes long")
        draft = None
    elif form == "kv":
        draft = decode(read_lines(data, findings), findings, strict=strict)
    elif form in ("json", "toml"):
        from byteor.spec import nested

        read = nested.read_json if form == "json" else nested.read_toml
        draft = decode(read(data, findings), findings, strict=strict)
    else:
        findings.add("E_FORMAT", f"`{file or form}` is no .kv, .json or .toml")
        draft = None
    kept = data if form in ("json", "toml") else b""
    found, counts = tuple(findings), (findings.errors, findings.dropped)
    if draft is None:
        return Document(file, None, None, found, *counts, frozenset(), {}, form, kept)
    return Document(file, draft.kind, draft.value, found, *counts, draft.incomplete, draft.lines, form, kept)


def _format_of(file: str | None) -> str:
    """By the last suffix; a name without one (and `spec.kv`'s own kind) is KV."""
    suffix = os.path.splitext(file or "")[1].lower()  # noqa: PTH122  (bytes paths and speed)
    return suffix[1:] if suffix else "kv"
