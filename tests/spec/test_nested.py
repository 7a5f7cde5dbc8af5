"""JSON and TOML: the same document by nesting, the same rules, places in the text."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from byteor.spec import check_document, load, read_document
from byteor.spec.model import PipelinePlanV2

PLAN: dict[str, Any] = {
    "v": 2,
    "pipeline": {
        "name": "p",
        "target": "SingleRing",
        "stages": [
            {"id": "parse", "key": "json_normalise"},
            {"id": "detect", "key": "zscore", "depends_on": ["parse"]},
        ],
        "constraints": {"capacity": 64},
    },
}
TOML = """
v = 2
[pipeline]
name = "p"
target = "SingleRing"
[[pipeline.stages]]
id = "parse"
key = 'json_normalise'
[[pipeline.stages]]
id = "detect"
key = "zscore"
depends_on = ["parse"]
[pipeline.constraints]
capacity = 64
"""


def found(text: str, form: str) -> list[tuple[str, str | None, int | None, int | None]]:
    report = check_document(read_document(text.encode(), format=form))
    return [(f.code, f.where.key, f.where.line, f.where.column) for f in report.plan_diagnostics]


def test_three_notations_are_one_document(tmp_path: Path) -> None:
    assert tomllib.loads(TOML) == PLAN
    paths = [tmp_path / name for name in ("a.plan.json", "a.plan.toml", "a.plan.kv")]
    paths[0].write_text(json.dumps(PLAN))
    paths[1].write_text(TOML)
    canonical = read_document(paths[0]).canonical()
    assert canonical is not None
    paths[2].write_bytes(canonical)
    assert len({load(path).canonical for path in paths}) == 1
    assert isinstance(read_document(paths[1]).value, PipelinePlanV2)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("v",), "2", "E_TYPE"),
        (("pipeline", "constraints", "capacity"), "64", "E_TYPE"),
        (("pipeline", "constraints", "capacity"), 64.0, "E_TYPE"),
        (("pipeline", "constraints", "capacity"), True, "E_TYPE"),
        (("pipeline", "constraints", "capacity"), None, "E_TYPE"),
        (("pipeline", "constraints", "capacity"), -64, "E_TYPE"),
        (("pipeline", "constraints", "capacity"), 1 << 63, "E_TYPE"),
        (("pipeline", "constraints", "capacity"), 10**100, "E_TYPE"),
        (("pipeline", "name"), 5, "E_TYPE"),
        (("pipeline", "name"), "a\npipeline.on_full=Drop", "E_ENCODING"),
        (("pipeline", "description"), " edge", "E_ENCODING"),
        (("pipeline", "description"), "", "E_ENCODING"),
        (("pipeline", "description"), "caf\u00e9", "E_ENCODING"),
        (("pipeline", "a.b"), "x", "E_KEY"),
        (("pipeline", "stages"), {"0": {"id": "a"}}, "E_TYPE"),
        (("pipeline", "Name"), "x", "E_KEY"),
        (("pipeline", "nam"), "x", "W_UNKNOWN_KEY"),
    ],
)
def test_values_obey_the_same_rules_before_they_are_encoded(
    path: tuple[str, ...], value: object, code: str
) -> None:
    plan = json.loads(json.dumps(PLAN))
    place = plan
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert code in [row[0] for row in found(json.dumps(plan), "json")]


@pytest.mark.parametrize(
    ("text", "form", "code", "line"),
    [
        ('{"v": 2,\n "v": 2}', "json", "E_DUP_KEY", 2),
        ("{\n]", "json", "E_SYNTAX", 2),
        ("[1]", "json", "E_SYNTAX", 1),
        ("7", "json", "E_SYNTAX", 1),
        ('{"NaN":\n [-1, NaN]}', "json", "E_SYNTAX", 2),
        ('{\n"v": ' + "9" * 5000 + "}", "json", "E_TYPE", 2),
        ("", "json", "E_SYNTAX", 1),
        ("v = [", "toml", "E_SYNTAX", 1),
        ("{" * 3 + '\n"v"', "json", "E_SYNTAX", 1),
        ('{"v":\n' + "[" * 100_000, "json", "E_SYNTAX", 2),
        ("v = 2\nv = 2\n", "toml", "E_SYNTAX", 2),
        ("v = \n", "toml", "E_SYNTAX", 1),
        ("v = 2020-01-01\n", "toml", "E_VERSION", 1),
    ],
)
def test_syntax_is_told_with_its_line(text: str, form: str, code: str, line: int | None) -> None:
    assert found(text, form)[0][0::2][:2] == (code, line)


def test_bytes_that_are_no_utf8_have_a_place() -> None:
    for form in ("json", "toml"):
        finding = read_document(b'{\n "\xff', format=form).findings[0]
        assert (finding.code, finding.where.line, finding.where.column) == ("E_ENCODING", 2, 3)


def test_findings_in_json_point_at_the_value() -> None:
    text = json.dumps(PLAN, indent=1).replace('"zscore"', '"exec:x"').replace("64", "63")
    lines = text.splitlines()
    rows = found(text, "json")
    assert [row[0] for row in rows] == ["E_CAPACITY", "E_EXEC_PATH"]
    for (_, _, line, column), word in zip(rows, ("63", '"exec:x"'), strict=True):
        assert line is not None and column is not None
        assert lines[line - 1][column - 1 :].startswith(word)


def test_findings_in_toml_point_at_the_value() -> None:
    text = TOML.replace('"zscore"', '"exec:x"').replace("64", "63")
    lines = text.splitlines()
    rows = found(text, "toml")
    assert [row[0] for row in rows] == ["E_CAPACITY", "E_EXEC_PATH"]
    for (_, _, line, column), word in zip(rows, ("63", '"exec:x"'), strict=True):
        assert line is not None and column is not None
        assert lines[line - 1][column - 1 :].startswith(word)


def test_a_missing_key_points_at_the_thing_that_lacks_it() -> None:
    text = json.dumps(PLAN, indent=1).replace('"key": "zscore",', "")
    assert [row[:2] for row in found(text, "json")] == [("E_MISSING", "pipeline.stages.1.key")]
    line = found(text, "json")[0][2]
    assert line is not None and text.splitlines()[line - 1].strip() == "{"


def test_there_is_no_yaml_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.plan.yaml"
    path.write_text("v: 2\n")
    assert [finding.code for finding in read_document(path).findings] == ["E_FORMAT"]
