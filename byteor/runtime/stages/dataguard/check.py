"""Whether values are what a schema says: a function of values that names the first thing that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from byteor.runtime.stages.dataguard.schema import Field, Schema, Type

Reason = Literal["parse", "columns", "version", "missing", "null", "type", "unlisted"]

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_TYPES: dict[Type, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Violation(NamedTuple):
    """Why a message is rejected; ``field`` is the place as a JSON pointer, empty when it is the whole."""

    reason: Reason
    field: str = ""


def reader(schema: Schema) -> Callable[[bytes], object]:
    """A decoder that takes a JSON object in one go when :func:`violation` finds nothing in it.

    It raises one of ``NOT_JSON`` for others, and for some that have a member twice: a first answer, many
    times faster than looking at every value here.
    """
    return msgspec.json.Decoder(_struct(schema.fields, schema.additional)).decode


def violation(values: Mapping[str, Any], schema: Schema) -> Violation | None:
    """The first thing in ``values`` (decoded JSON by member or column) that ``schema`` does not allow."""
    return _in_object(values, schema.fields, schema.additional, "")


def cell_values(cells: Sequence[str], schema: Schema) -> dict[str, Any]:
    """The cells of a CSV row as values of the schema's types, an empty one absent.

    A cell that does not read as its type stays text, which is then not of that type.
    """
    return {
        field.name: _cell(cell, field.type)
        for field, cell in zip(schema.fields, cells, strict=True)
        if cell != ""
    }


def _struct(fields: tuple[Field, ...], additional: bool) -> type[msgspec.Struct]:
    members: list[Any] = []
    for number, field in enumerate(fields):
        wanted = _type(field.type, field, additional)
        if field.nullable:
            wanted = wanted | None if wanted is not Any else Any
        members.append((f"f{number}", wanted, *(() if field.required else (msgspec.UNSET,))))
    members.sort(key=len)  # those that must be there come first
    names = {f"f{number}": field.name for number, field in enumerate(fields)}
    return msgspec.defstruct("Message", members, rename=names, forbid_unknown_fields=not additional)


def _type(wanted: Type, field: Field, additional: bool) -> Any:
    if wanted == "array":
        return list[_type(field.items, field, additional)] if field.type == "array" else list[Any]  # type: ignore[misc]
    if wanted == "object":
        return _struct(field.fields, additional) if field.fields else dict[str, Any]
    return {"string": str, "integer": int, "number": float, "boolean": bool}.get(wanted, Any)


def _cell(text: str, wanted: Type) -> Any:
    if wanted == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if wanted == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if wanted == "boolean":
        return _BOOLEANS.get(text, text)
    return text


def _in_object(
    values: Mapping[str, Any], fields: tuple[Field, ...], additional: bool, at: str
) -> Violation | None:
    listed = 0
    for field in fields:
        if field.name not in values:
            if field.required:
                return Violation("missing", f"{at}/{field.name}")
            continue
        listed += 1
        wrong = _in_field(values[field.name], field, additional, f"{at}/{field.name}")
        if wrong is not None:
            return wrong
    if listed < len(values) and not additional:
        return Violation("unlisted", at)  # not its name: it came from outside, and may be anything
    return None


def _in_field(value: Any, field: Field, additional: bool, at: str) -> Violation | None:
    if value is None:
        return None if field.nullable or field.type == "any" else Violation("null", at)
    if not _is(value, field.type):
        return Violation("type", at)
    if field.type == "object" and field.fields:
        return _in_object(value, field.fields, additional, at)
    if field.type != "array":
        return None
    for number, item in enumerate(value):
        if not _is(item, field.items):
            return Violation("type", f"{at}/{number}")
        if field.items == "object" and field.fields:
            wrong = _in_object(item, field.fields, additional, f"{at}/{number}")
            if wrong is not None:
                return wrong
    return None


def _is(value: Any, wanted: Type) -> bool:
    if wanted == "any":
        return True
    return isinstance(value, _TYPES[wanted]) and (isinstance(value, bool) is (wanted == "boolean"))
