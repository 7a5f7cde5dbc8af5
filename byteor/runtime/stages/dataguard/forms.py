"""The forms that guarded messages have: ``map`` (a JSON object), ``row`` (a JSON array), ``csv`` (one line).

Each reads a message for checking and writes it redacted; a message that does not read is a ``Violation``.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Protocol

import msgspec

from byteor.runtime.stages.api import NOT_JSON
from byteor.runtime.stages.dataguard.check import Violation, cell_values
from byteor.runtime.stages.dataguard.schema import Schema
from byteor.runtime.stages.redaction import Raw, Redactor

_OBJECT = msgspec.json.Decoder(dict[str, Any]).decode
_ARRAY = msgspec.json.Decoder(list[Any]).decode
_RAWS = msgspec.json.Decoder(list[Raw]).decode
_ENCODE = msgspec.json.Encoder().encode
_NULL = Raw(b"null")

PARSE = Violation("parse")
COLUMNS = Violation("columns")


class Form(Protocol):
    def read(self, message: bytes, schema: Schema) -> dict[str, Any] | Violation:
        """The message's values by member or column, decoded."""

    def redact(self, message: bytes, schema: Schema, redactor: Redactor) -> bytes | Violation | None:
        """The message with the rules applied; None: none of them concerns it."""


class MapForm:
    """A JSON object. Redaction needs no schema: a name is redacted wherever it stands."""

    def read(self, message: bytes, schema: Schema) -> dict[str, Any] | Violation:
        try:
            return _OBJECT(message)
        except NOT_JSON:
            return PARSE

    def redact(self, message: bytes, schema: Schema, redactor: Redactor) -> bytes | Violation | None:
        try:
            return redactor.apply(message)
        except NOT_JSON:
            return PARSE


class RowForm:
    """A JSON array whose elements are the schema's fields in their order."""

    def read(self, message: bytes, schema: Schema) -> dict[str, Any] | Violation:
        try:
            values = _ARRAY(message)
        except NOT_JSON:
            return PARSE
        if len(values) != len(schema.fields):
            return COLUMNS
        return {field.name: value for field, value in zip(schema.fields, values, strict=True)}

    def redact(self, message: bytes, schema: Schema, redactor: Redactor) -> bytes | Violation | None:
        try:
            values = _RAWS(message)
            # One column more or less, and every rule behind it would miss its value.
            if len(values) != len(schema.fields):
                return COLUMNS
            names = [field.name for field in schema.fields]
            changed = redactor.members(dict(zip(names, values, strict=True)))
        except NOT_JSON:
            return PARSE
        return _ENCODE([changed.get(name, _NULL) for name in names])


class CsvForm:
    """One line of RFC 4180, whose cells are the schema's fields in their order; a dropped one is empty."""

    def read(self, message: bytes, schema: Schema) -> dict[str, Any] | Violation:
        cells = _cells(message)
        if cells is None:
            return PARSE
        return cell_values(cells, schema) if len(cells) == len(schema.fields) else COLUMNS

    def redact(self, message: bytes, schema: Schema, redactor: Redactor) -> bytes | Violation | None:
        cells = _cells(message)
        if cells is None:
            return PARSE
        if len(cells) != len(schema.fields):
            return COLUMNS
        names = [field.name for field in schema.fields]
        raws = {name: Raw(_ENCODE(cell)) for name, cell in zip(names, cells, strict=True)}
        changed = redactor.members(raws)
        out = io.StringIO(newline="")
        # The writer quotes what stands in its line terminator, so it must have both ends of a line.
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([_cell(changed.get(name, _NULL)) for name in names])
        return out.getvalue().removesuffix("\r\n").encode()


def _cells(message: bytes) -> list[str] | None:
    """The cells of exactly one record; None for anything else."""
    try:
        rows = list(csv.reader(io.StringIO(message.decode(), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return rows[0] if len(rows) == 1 else None


def _cell(value: Raw) -> str:
    text = bytes(value)
    if text == b"null":
        return ""
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()


FORMS: dict[str, Form] = {"map": MapForm(), "row": RowForm(), "csv": CsvForm()}
