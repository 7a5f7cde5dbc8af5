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


@pytest.mark.parametrize(
    ("text", "form", "keys"),
    [
        ('{"v": 1, "model": "single_ring", "foo": {}, "bar": []}', "json", ["foo", "bar"]),
        (
            '{"single_ring": {"capcity": [], "stage": {}}}',
            "json",
            ["single_ring.capcity", "single_ring.stage"],
        ),
        (
            "[pipeline.constraintz]\n[[pipeline.connectionz]]\n",
            "toml",
            ["pipeline.constraintz", "pipeline.connectionz"],
        ),
    ],
)
def test_a_misspelt_key_is_told_even_when_nothing_is_in_it(text: str, form: str, keys: list[str]) -> None:
    unknown = [row[1] for row in found(text, form) if row[0] == "W_UNKNOWN_KEY"]
    assert sorted(map(str, unknown)) == sorted(keys)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("pipeline", "constraints", "capacity"), [], "pipeline.constraints.capacity"),
        (("pipeline", "constraints", "shards"), {}, "pipeline.constraints.shards"),
        (("pipeline", "constraints"), [], "pipeline.constraints"),
        (("pipeline", "constraints"), 5, "pipeline.constraints"),
        (("pipeline", "stages"), {}, "pipeline.stages"),
        (("pipeline", "stages"), "parse", "pipeline.stages"),
        (("pipeline", "stages"), [7], "pipeline.stages.0"),
        (("pipeline", "boundaries"), [[]], "pipeline.boundaries.0"),
        (("pipeline",), [], "pipeline"),
    ],
)
def test_a_thing_of_another_shape_is_one_error_of_type(
    path: tuple[str, ...], value: object, key: str
) -> None:
    plan = json.loads(json.dumps(PLAN))
    place = plan
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert [row[:2] for row in found(json.dumps(plan), "json")] == [("E_TYPE", key)]


def test_an_empty_item_of_a_list_lacks_its_keys() -> None:
    plan = json.loads(json.dumps(PLAN))
    plan["pipeline"]["connections"] = [{}]
    rows = found(json.dumps(plan), "json")
    assert [row[:2] for row in rows] == [
        ("E_MISSING", "pipeline.connections.0.from"),
        ("E_MISSING", "pipeline.connections.0.to"),
    ]


def test_names_that_no_key_has_are_told_in_plain_ascii_with_their_place() -> None:
    findings = read_document(b'{"v":1,\n"\\ud800\\u001b[31mRED\\u0007":1}', format="json").findings
    assert findings[0].code == "E_KEY" and findings[0].message == "`\\ud800\\x1b[31mRED\\x07` is not a key"
    placed = found('{"v":1,\n"\\ud800":1}', "json")
    assert placed[0] == ("E_KEY", "\\ud800", 2, 10)
    for words in (findings[0].message, findings[0].value, findings[0].where.key):
        assert words is not None and words.isascii() and words.isprintable()


def test_a_list_has_at_most_100_000_items() -> None:
    plan = '{"v":2,"pipeline":{"name":"p","target":"SingleRing","stages":[' + "0," * 100_000 + "0]}}"
    assert [row[:2] for row in found(plan, "json")] == [("E_INDEX", "pipeline.stages")]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (json.dumps(PLAN).replace('"zscore"', '"a\\nb"'), "json"),
        (TOML.replace('"zscore"', '"caf\u00e9"'), "toml"),
        (json.dumps(PLAN).replace('"SingleRing"', '""'), "json"),
        (json.dumps(PLAN).replace('"detect"', '" detect"'), "json"),
    ],
)
def test_a_refused_value_is_not_told_as_missing_too(text: str, form: str) -> None:
    assert [row[0] for row in found(text, form)] == ["E_ENCODING"]


def test_deep_words_in_a_comment_are_no_key_and_a_string_hides_none() -> None:
    deep = "a.b.c.d.e.f.g.h.i"
    assert found(f"# see {deep}\n" + TOML, "toml") == []
    assert found(TOML.replace('"zscore"', f'"x:{deep}"'), "toml") == []
    for text in (f"{deep} = 1", f'x = ["""\n#""", {{{deep} = 1}}]'):
        assert found(TOML + text, "toml")[0][0] == "E_KEY"
