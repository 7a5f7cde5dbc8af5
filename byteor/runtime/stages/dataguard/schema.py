"""The schema registry of DataGuard: a folder of JSON files, one schema in each, read once at start.

    {"schema-id": "orders", "msg-type": "placed", "version": 2, "additional": false,
     "fields": [{"name": "id", "type": "string"},
                {"name": "note", "type": "string", "required": false, "nullable": true},
                {"name": "lines", "type": "array", "items": "object",
                 "fields": [{"name": "sku", "type": "string"}, {"name": "qty", "type": "integer"}]}]}

``fields`` in their order are the members of an object, or the columns of a row. A field of type ``object``
(or an array of them) without ``fields`` is open: whatever it holds passes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from byteor.errors import Exit, Where
from byteor.runtime.stages.api import StageError

Type = Literal["string", "integer", "number", "boolean", "object", "array", "any"]

MAX_FILES = 1000
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 32
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member or column. ``items`` types the elements of an array; ``fields`` those of objects in it."""

    name: str
    type: Type
    required: bool = True
    nullable: bool = False
    items: Type = "any"
    fields: tuple[Field, ...] = ()
    doc: str = ""


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One version of one type of message. ``additional``: members that are not listed may pass."""

    schema_id: str
    msg_type: str
    version: int
    fields: tuple[Field, ...]
    additional: bool = False
    doc: str = ""

    def names(self) -> Iterator[str]:
        """Every field's name, at any depth."""
        return _names(self.fields)

    @property
    def open(self) -> bool:
        """Whether it lets members pass whose names it does not say."""
        return self.additional or _any_open(self.fields)


class Family(msgspec.Struct, frozen=True):
    """The versions of one type of message that are new enough, and the SHA-256 (hex) of their files."""

    versions: dict[int, Schema]
    sha256: str

    @property
    def newest(self) -> Schema:
        return self.versions[max(self.versions)]


def load_family(folder: Path, schema_id: str, msg_type: str, min_version: int) -> Family:
    """The schemas of ``schema_id`` and ``msg_type`` from version ``min_version`` on.

    The whole registry is read: a broken file anywhere in it is an error, for it may be the schema that is
    missed. Raises ``StageError`` ``E_DATAGUARD_REGISTRY``, ``E_DATAGUARD_SCHEMA`` (there is none),
    ``E_DATAGUARD_VERSION`` (all are too old).
    """
    found: dict[tuple[str, str, int], Path] = {}
    versions: dict[int, Schema] = {}
    digest = hashlib.sha256()
    for path in _files(folder):
        schema, data = _read(path)
        identity = (schema.schema_id, schema.msg_type, schema.version)
        if identity in found:
            raise bad_registry(path, f"{found[identity].name} is the same schema in the same version")
        found[identity] = path
        if identity[:2] == (schema_id, msg_type):
            versions[schema.version] = schema
            digest.update(hashlib.sha256(data).digest())
    if not versions:
        known = ", ".join(sorted({f"{one}/{other}" for one, other, _ in found})) or "none"
        raise refused(
            "E_DATAGUARD_SCHEMA",
            f"no schema {schema_id}/{msg_type} in {folder}",
            f"add its file to the registry; it has {known}",
        )
    if max(versions) < min_version:
        raise refused(
            "E_DATAGUARD_VERSION",
            f"schema {schema_id}/{msg_type} is at version {max(versions)}, and {min_version} is asked for",
            "add the newer version's file to the registry, or lower min-version",
        )
    kept = {number: schema for number, schema in versions.items() if number >= min_version}
    return Family(kept, digest.hexdigest())


def _files(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise bad_registry(folder, error.strerror or str(error)) from error
    if len(files) > MAX_FILES:
        raise bad_registry(folder, f"it has over {MAX_FILES} schemas")
    return files


def _read(path: Path) -> tuple[Schema, bytes]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise bad_registry(path, f"it is over {MAX_FILE_BYTES >> 20} MiB")
        data = path.read_bytes()
        schema = msgspec.json.decode(data, type=Schema)
    except OSError as error:
        raise bad_registry(path, error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_registry(path, f"it is no schema: {error}") from error
    if not (_ID.fullmatch(schema.schema_id) and _ID.fullmatch(schema.msg_type)):
        raise bad_registry(path, "schema-id and msg-type are letters, digits and _ . -")
    if schema.version < 1:
        raise bad_registry(path, "versions count from 1")
    if not schema.fields:
        raise bad_registry(path, "it has no field")
    _check_fields(path, schema.fields, 1)
    return schema, data


def _check_fields(path: Path, fields: tuple[Field, ...], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise bad_registry(path, f"fields lie more than {MAX_DEPTH} deep")
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        raise bad_registry(path, f"the field {max(names, key=names.count)!r} stands twice")
    for field in fields:
        if not field.name:
            raise bad_registry(path, "a field has no name")
        if field.fields and "object" not in (field.type, field.items):
            raise bad_registry(path, f"{field.name!r} has fields, and is no object and no array of them")
        if field.items != "any" and field.type != "array":
            raise bad_registry(path, f"{field.name!r} has items, and is no array")
        _check_fields(path, field.fields, depth + 1)


def _names(fields: tuple[Field, ...]) -> Iterator[str]:
    for field in fields:
        yield field.name
        yield from _names(field.fields)


def _any_open(fields: tuple[Field, ...]) -> bool:
    return any(
        _any_open(field.fields)
        if field.fields
        else "any" in (field.type, field.items if field.type == "array" else "")
        or "object" in (field.type, field.items)
        for field in fields
    )


def bad_registry(path: Path, why: str) -> StageError:
    return StageError(
        "E_DATAGUARD_REGISTRY",
        f"cannot use the schema registry: {path}: {why}",
        hint="mend or remove the file; docs/dataguard.md shows a schema",
        where=Where(file=str(path)),
        exit=Exit.INVALID,
    )


def refused(code: str, message: str, hint: str) -> StageError:
    return StageError(code, message, hint=hint, exit=Exit.INVALID)
