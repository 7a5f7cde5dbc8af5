"""The JSON Schema and the key table agree with what the reader takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byteor.spec import read_document
from byteor.spec.fields import DOCUMENTS, KEYS
from byteor.spec.finding import Findings
from byteor.spec.grammar import key_table
from byteor.spec.lines import read_lines
from byteor.spec.pages import pages
from byteor.spec.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "specs").glob("*.kv")), *sorted((ROOT / "tests/data/spec").glob("*.kv"))]


def nested(path: Path) -> dict[str, Any]:
    """A KV file as the JSON document that means the same."""
    root: dict[str, Any] = {}
    for entry in read_lines(path.read_bytes(), Findings()):
        place, parts = root, entry.key.split(".")
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        pattern = re.sub(r"\.[0-9]+", ".N", entry.key)
        place[parts[-1]] = int(entry.value) if KEYS[pattern][1].type == "int" else entry.value
    listed = lists(root)
    assert isinstance(listed, dict)
    return listed


def lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    made = {name: lists(child) for name, child in node.items()}
    return [made[str(i)] for i in range(len(made))] if made and all(name.isdigit() for name in made) else made


def problems(schema: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """The part of JSON Schema that our schemas use, checked here so that no validator need be installed."""
    if "oneOf" in schema:
        if sum(not list(problems(one, value, path)) for one in schema["oneOf"]) != 1:
            yield f"{path}: not exactly one"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{path}: not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} not allowed"
    types = {"string": str, "integer": int, "array": list, "object": dict}
    if "type" in schema and not isinstance(value, types[schema["type"]]):
        yield f"{path}: not {schema['type']}"
        return
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        yield f"{path}: {value!r} does not match"
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield from problems(schema["items"], item, f"{path}.{index}")
    if isinstance(value, dict):
        yield from object_problems(schema, value, path)


def object_problems(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}: missing"
    for name, item in value.items():
        child = properties.get(name)
        if child is False or (child is None and schema.get("additionalProperties") is False):
            yield f"{path}.{name}: not allowed"
        elif child is not None:
            yield from problems(child, item, f"{path}.{name}")
    for rule in schema.get("allOf", ()):
        holds = not list(problems(rule["if"], value, path))
        yield from problems(rule.get("then" if holds else "else", {}), value, path)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_file_of_ours_fits_its_schema(path: Path) -> None:
    document = "plan" if read_document(path).kind == "plan" else "spec"
    assert list(problems(json_schema(document), nested(path))) == []


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("shadow.spec.kv", lambda d: d["lane_graph"]["roles"][0].update(key="identity")),
        ("shadow.spec.kv", lambda d: d["lane_graph"]["lanes"][1].pop("consumers")),
        ("shadow.spec.kv", lambda d: d["lane_graph"]["lanes"][0].update(kind="event")),
        ("telemetry.spec.kv", lambda d: d["single_ring"].update(capcity=2)),
        ("telemetry.spec.kv", lambda d: d["single_ring"].update(capacity="2")),
        ("telemetry.spec.kv", lambda d: d.update(name="Upper")),
        ("telemetry.spec.kv", lambda d: d.pop("name")),
        ("telemetry.spec.kv", lambda d: d.update(v=2)),
        ("telemetry.spec.kv", lambda d: d["single_ring"]["stages"][0].pop("key")),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(name: str, edit: Any, data: Path) -> None:
    document = nested(data / name)
    edit(document)
    assert list(problems(json_schema("spec"), document))


def test_the_key_table_lists_every_key_once() -> None:
    rows = key_table()
    keys = [(row["document"], row["key"].replace(".K", ".N")) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {key for _, key in keys} == KEYS.keys()
    assert {document for document, _ in keys} == DOCUMENTS.keys()


def test_the_pages_of_keys_and_codes_are_up_to_date() -> None:
    for name, text in pages().items():
        assert (ROOT / "docs/spec" / name).read_text() == text, "run: python -m byteor.spec.pages docs/spec"
