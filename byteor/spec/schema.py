"""JSON Schema (2020-12) of a plan or spec, from the table of fields, so that editors can check JSON and
TOML files."""

from __future__ import annotations

from typing import Any

from byteor.spec.fields import DOCUMENTS, ID_LENGTH, INT_MAX, Field, Section

_NAME = "^[a-z][a-z0-9_-]{0,62}$"
_ID = f"^[a-z][a-z0-9_-]{{0,{ID_LENGTH - 1}}}$"
_TYPES: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "minimum": 0, "maximum": INT_MAX},
    "name": {"type": "string", "pattern": _NAME},
    "id": {"type": "string", "pattern": _ID},
    "stage_key": {"type": "string", "pattern": "^[a-z][a-z0-9_]*(:[ -~]{1,1024})?$"},
    "shard_key": {
        "type": "string",
        "pattern": "^(bytes:(0|[1-9][0-9]{0,8}):[1-9][0-9]{0,8}|json:(/([^~/]|~[01])*)+)$",
    },
    "text": {"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
TITLES = {"plan": "ByteOr plan (PipelinePlanV2)", "spec": "ByteOr spec (PipelineSpecV1)"}


def json_schema(document: str) -> dict[str, Any]:
    """The schema of ``plan`` or ``spec``. It says what the form of a document is; the rules of the models
    (references, cycles, arity) are the validator's."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLES[document]}
    if document == "plan":
        return head | _document("plan", {"v": {"const": 2}})
    models = [
        _document(model, {"v": {"const": 1}, "model": {"const": model}})
        for model in ("single_ring", "lane_graph")
    ]
    return head | {"oneOf": models}


def _document(kind: str, constants: dict[str, Any]) -> dict[str, Any]:
    root = _object()
    for section in DOCUMENTS[kind]:
        place = root
        parts = section.prefix.split(".") if section.prefix else []
        for depth, part in enumerate(parts):
            last = depth == len(parts) - 1
            new = {"type": "array", "items": _object()} if section.many and last else _object()
            place = place["properties"].setdefault(part, new)
        _add_fields(place["items"] if section.many else place, section)
    root["properties"] |= constants
    for name, part in root["properties"].items():
        if part.get("required") and name not in root["required"]:
            root["required"].append(name)
    return root


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}, "required": []}


def _add_fields(place: dict[str, Any], section: Section) -> None:
    for field in section.fields:
        place["properties"][field.name] = _field(field)
        if field.required and not field.on:
            place["required"].append(field.name)
    conditions = [_only_on(field) for field in section.fields if field.on]
    if conditions:
        place["allOf"] = conditions


def _field(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = (
        dict(_TYPES[field.type]) if field.type != "enum" else {"enum": list(field.choices)}
    )
    if field.default is not None and not field.many:
        schema["default"] = field.default
    if field.many:
        return {"type": "array", "items": schema, "description": field.doc}
    return schema | {"description": field.doc}


def _only_on(field: Field) -> dict[str, Any]:
    """The field belongs to rows of some kinds only, and is required there when it has no default."""
    condition = {"properties": {"kind": {"enum": list(field.on)}}}
    rule: dict[str, Any] = {"if": condition, "else": {"properties": {field.name: False}}}
    if field.required:
        rule["then"] = {"required": [field.name]}
    return rule
