"""The keys of KV as a table for people: ``byteor schema kv`` and the page docs/spec/keys.md show it."""

from __future__ import annotations

from byteor.spec.fields import DOCUMENTS, ID_LENGTH, Field

_VALUES = {
    "int": "integer",
    "name": "name",
    "id": f"name of at most {ID_LENGTH} characters",
    "stage_key": "name or name:argument",
    "shard_key": "bytes:OFF:LEN or json:POINTER",
    "text": "text",
}


def key_table() -> list[dict[str, str]]:
    """Every key in canonical order: ``document``, ``key`` (N and K are indexes), ``values``, ``doc``."""
    rows = []
    for document, sections in DOCUMENTS.items():
        for section in sections:
            prefix = section.prefix + (".N" if section.many else "")
            for field in section.fields:
                key = f"{prefix}.{field.name}".lstrip(".") + (".K" if field.many else "")
                rows.append({"document": document, "key": key, "values": _values(field), "doc": _doc(field)})
    return rows


def _values(field: Field) -> str:
    return " | ".join(field.choices) if field.choices else _VALUES[field.type]


def _doc(field: Field) -> str:
    notes = [field.doc]
    if field.default is not None:
        notes.append(f"default {field.default}")
    elif not field.required and not field.many:
        notes.append("optional")
    if field.on:
        notes.append(f"only on kind {', '.join(field.on)}")
    return "; ".join(notes)
