"""DataGuard: what the check rejects, what rules make of values; nothing leaks, and counters add up."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from byteor.errors import Exit
from byteor.runtime.stages import Context, StageError, resolve
from byteor.runtime.stages.dataguard.check import reader, violation
from byteor.runtime.stages.dataguard.rules import action_of, parse_rules
from byteor.runtime.stages.dataguard.schema import Schema, load_family
from byteor.runtime.stages.redaction import Raw

KEY = "0123456789abcdef0123456789abcdef"

ORDER: dict[str, Any] = {
    "schema-id": "orders",
    "msg-type": "placed",
    "version": 2,
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "qty", "type": "integer"},
        {"name": "price", "type": "number", "nullable": True},
        {"name": "gift", "type": "boolean", "required": False},
        {"name": "email", "type": "string", "required": False},
    ],
}
NESTED: dict[str, Any] = {
    "schema-id": "orders",
    "msg-type": "nested",
    "version": 1,
    "fields": [
        {"name": "v", "type": "integer", "required": False},
        {"name": "who", "type": "object", "fields": [{"name": "email", "type": "string"}]},
        {
            "name": "lines",
            "type": "array",
            "items": "object",
            "required": False,
            "fields": [{"name": "sku", "type": "string"}],
        },
        {"name": "tags", "type": "array", "items": "string", "required": False},
        {"name": "free", "type": "object", "required": False},
    ],
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    old = {**ORDER, "version": 1, "fields": ORDER["fields"][:2]}
    for number, schema in enumerate((ORDER, old, NESTED, {**NESTED, "version": 2, "additional": True})):
        (folder / f"{number}.json").write_text(json.dumps(schema))
    (folder / "README").write_text("not a schema")
    return folder


def key_of(registry: Path, stage: str, more: str = "", msg_type: str = "placed") -> str:
    return f"dataguard_{stage}:registry={registry};schema-id=orders;msg-type={msg_type}{more}"


def guard(
    registry: Path, stage: str, more: str = "", msg_type: str = "placed", folder: Path | None = None
) -> Any:
    key = key_of(registry, stage, more, msg_type)
    return resolve(key).make(Context("g", key, folder=folder))


CHECKED = [
    ({"id": "a", "qty": 1, "price": 2.5}, None),
    ({"id": "a", "qty": 1, "price": 2}, None),
    ({"id": "a", "qty": 1, "price": None, "gift": True, "email": "x"}, None),
    ({"qty": 1, "price": 2.5}, "missing"),
    ({"id": "a", "qty": 1}, "missing"),
    ({"id": None, "qty": 1, "price": 2.5}, "null"),
    ({"id": 7, "qty": 1, "price": 2.5}, "type"),
    ({"id": "a", "qty": 1.5, "price": 2.5}, "type"),
    ({"id": "a", "qty": True, "price": 2.5}, "type"),
    ({"id": "a", "qty": 1, "price": True}, "type"),
    ({"id": "a", "qty": 1, "price": 1, "gift": 1}, "type"),
    ({"id": "a", "qty": 1, "price": 1, "more": 1}, "unlisted"),
    ([1], "parse"),
    ("text", "parse"),
]


@pytest.mark.parametrize(("document", "reason"), CHECKED)
@pytest.mark.parametrize("stage", ["check", "fused"])
def test_a_message_passes_or_is_rejected_for_the_first_thing_that_is_wrong(
    registry: Path, stage: str, document: object, reason: str | None
) -> None:
    run = guard(registry, stage, ";rules=email:drop" if stage == "fused" else "")
    message = json.dumps(document).encode()
    (out,) = run([memoryview(message)])
    assert (out is None) == (reason is not None)
    if stage == "check" and reason is None:
        assert bytes(out) == message
    report = run.report()
    assert report["rejected"] == (reason is not None)
    if reason is not None:
        assert report[f"rejected_{reason}"] == 1


NESTED_CASES = [
    ({"who": {"email": "x"}}, None),
    ({"who": {}}, "missing"),
    ({"who": {"email": "x", "y": 1}}, "unlisted"),
    ({"who": {"email": 1}}, "type"),
    ({"who": {"email": "x"}, "lines": [{"sku": "a"}, {"sku": 1}]}, "type"),
    ({"who": {"email": "x"}, "lines": [{"sku": "a"}, 1]}, "type"),
    ({"who": {"email": "x"}, "lines": [{"sku": "a", "x": 1}]}, "unlisted"),
    ({"who": {"email": "x"}, "tags": ["a", None]}, "type"),
    ({"who": {"email": "x"}, "free": {"anything": [1, {}]}}, None),
]


@pytest.mark.parametrize(("document", "reason"), NESTED_CASES)
def test_objects_and_arrays_in_a_message_are_checked_too(
    registry: Path, document: dict[str, Any], reason: str | None
) -> None:
    run = guard(registry, "check", ";version-field=v", "nested")
    run([json.dumps({"v": 1, **document}).encode()])
    report = run.report()
    assert {r for r in ("missing", "unlisted", "type", "null", "parse") if report[f"rejected_{r}"]} == (
        {reason} if reason else set()
    )


def test_a_message_names_its_version_and_an_old_or_unknown_one_is_rejected(registry: Path) -> None:
    run = guard(registry, "check", ";version-field=/v", "nested")
    closed = b'{"v":1,"who":{"email":"x"},"more":1}'
    out = run(
        [closed, closed.replace(b'"v":1', b'"v":2'), b'{"v":3}', b'{"v":true}', b'{"who":{"email":"x"}}']
    )
    assert [one is not None for one in out] == [False, True, False, False, False]
    assert (run.report()["rejected_unlisted"], run.report()["rejected_version"]) == (1, 3)
    newer = guard(registry, "check", ";version-field=v;min-version=2", "nested")
    assert newer([b'{"v":1,"who":{"email":"x"}}']) == [None]


ROWS = [
    (b'["a",1,2.5,true,"x"]', b'["a",1,2.5,true,"[x]"]', None),
    (b'["a",1,null,true,"x"]', b'["a",1,null,true,"[x]"]', None),
    (b'["a",1,2.5,true]', None, "columns"),
    (b'["a",1,2.5,true,"x","y"]', None, "columns"),
    (b'["a","1",2.5,true,"x"]', None, "type"),
    (b'{"id":1}', None, "parse"),
]
LINES = [
    (b"a,1,2.5,true,x", b"a,1,2.5,true,[x]", None),
    (b'"a, b",-1,,,"x""y"', b'"a, b",-1,,,[x]', "missing"),  # price is needed, and an empty cell is absent
    (b'"a, b",-1,3e2,,"x""y"', b'"a, b",-1,3e2,,[x]', None),
    (b"a,1.0,2.5,true,x", None, "type"),
    (b"a,1,NaN,true,x", None, "type"),
    (b"a,1,2.5,yes,x", None, "type"),
    (b"a,1,2.5,true", None, "columns"),
    (b'a,1,2.5,true,"x', None, "parse"),
    (b"a,1,2.5,true,x\nb,1,2.5,true,x", None, "parse"),
    (b"", None, "parse"),
    (b"a,1,2.5,true,\xff", None, "parse"),
]


@pytest.mark.parametrize(
    ("mode", "message", "expected", "reason"), [("row", *c) for c in ROWS] + [("csv", *c) for c in LINES]
)
def test_rows_are_checked_and_redacted_by_column(
    registry: Path, mode: str, message: bytes, expected: bytes | None, reason: str | None
) -> None:
    run = guard(registry, "fused", f";mode={mode};rules=email:replace_with=[x]")
    assert run([message]) == [None if reason else expected]
    if reason:
        assert run.report()[f"rejected_{reason}"] == 1


@pytest.mark.parametrize(
    ("mode", "message", "expected"),
    [
        ("row", b'["a",1,2.5,true,"x"]', b'["a",null,2.5,true,null]'),
        ("csv", b"a,1,2.5,true,x", b"a,,2.5,true,"),
    ],
)
def test_a_dropped_column_is_empty_so_that_the_others_keep_their_places(
    registry: Path, mode: str, message: bytes, expected: bytes
) -> None:
    assert guard(registry, "redact", f";mode={mode};rules=qty:drop,email:drop")([message]) == [expected]


@pytest.mark.parametrize("mode", ["row", "csv"])
def test_a_row_of_another_width_is_never_passed_unredacted(registry: Path, mode: str) -> None:
    run = guard(registry, "redact", f";mode={mode};rules=email:drop")
    message = b'["a",1,2.5,"secret"]' if mode == "row" else b"a,1,2.5,secret"
    assert run([message, b"junk{"]) == [None, None]
    assert run.report()["rejected"] == 2


def hashed(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return hmac.new(KEY.encode(), text, hashlib.sha256).hexdigest()[:32]


ACTIONS = [
    ("drop", '"x"', None),
    ("replace_with=none", "1", '"none"'),
    ("replace_with=0", '"x"', "0"),
    ('replace_with="0"', '"x"', '"0"'),
    ('replace_with="a,b:c;d"', '"x"', '"a,b:c;d"'),
    ("replace_with=null", '"x"', "null"),
    ("hash", '"x"', json.dumps(hashed("x"))),
    ("hash", '"\\u0078"', json.dumps(hashed("x"))),
    ("hash", '{"b":1, "a":"é"}', json.dumps(hashed({"a": "é", "b": 1}))),
    ("hash", "1", json.dumps(hashed(1))),
    ("mask=0:4:*", '"1234567890"', '"******7890"'),
    ("mask=2:2:x", '"12345"', '"12x45"'),
    ("mask=2:2:x", '"1234"', '"xxxx"'),
    ("mask=9:9:x", '"12345"', '"xxxxx"'),
    ("mask=0:0::", '"ab"', '"::"'),
    ("mask=0:1:#", '"\\u00e9\\u00e9"', '"#é"'),
    ("mask=0:1:#", "12345", '"####5"'),
    ("mask=1:0:*", "true", '"t***"'),
    ("mask=1:0:*", '{"a":1}', "null"),
    ("mask=1:0:*", "null", "null"),
    ("truncate=2", '"abc"', '"ab"'),
    ("truncate=2", '"a"', '"a"'),
    ("truncate=0", '"abc"', '""'),
    ("truncate=2", "[1,2]", "null"),
    ("truncate=2", "123", '"12"'),
]


@pytest.mark.parametrize(("action", "value", "expected"), ACTIONS)
def test_an_action_makes_of_a_value_what_the_table_says(
    action: str, value: str, expected: str | None
) -> None:
    (rule,) = parse_rules(f"f:{action}")
    out = action_of(rule, KEY.encode())(Raw(value.encode()))
    assert (None if out is None else bytes(out).decode()) == expected or (
        out is not None and expected is not None and json.loads(bytes(out)) == json.loads(expected)
    )


RULE_ERRORS = [
    ("email", "no FIELD:ACTION"),
    (":drop", "no FIELD:ACTION"),
    ("email:shred", "'shred' is none of drop"),
    ("email:drop=1", "takes no value"),
    ("email:hash=key", "takes no value"),
    ("email:mask", "needs a value"),
    ("email:mask=1:2", "mask is PREFIX:SUFFIX:CHARACTER"),
    ("email:mask=1:2:**", "mask is PREFIX:SUFFIX:CHARACTER"),
    ("email:mask=-1:2:*", "mask is PREFIX:SUFFIX:CHARACTER"),
    ("email:truncate=x", "truncate takes a number"),
    ("email:truncate=99999999", "truncate takes a number"),
    ("email:replace_with=[1]", "replace_with takes text"),
    ("email:drop,email:hash", "two rules are about 'email'"),
    ("email:drop,", "no FIELD:ACTION"),
    ('email:replace_with="x', "quote is not closed"),
]


@pytest.mark.parametrize(("rules", "why"), RULE_ERRORS)
def test_a_wrong_rule_is_told_when_the_key_is_resolved(registry: Path, rules: str, why: str) -> None:
    with pytest.raises(StageError) as caught:
        resolve(key_of(registry, "redact", f";rules={rules}"))
    assert caught.value.code == "E_STAGE_PARAMETERS"
    assert why in caught.value.message


REFUSED: list[tuple[str, str, str]] = [
    (";min-version=3", "placed", "E_DATAGUARD_VERSION"),
    ("", "shipped", "E_DATAGUARD_SCHEMA"),
    (";rules=mail:drop", "placed", "E_DATAGUARD_RULE"),
    (";rules=/who/mail:drop;mode=csv", "placed", "E_DATAGUARD_RULE"),
    (";rules=/email:drop;mode=csv", "placed", "E_DATAGUARD_RULE"),
    (";mode=csv", "nested", "E_DATAGUARD_SCHEMA"),
    (";rules=email:hash", "placed", "E_DATAGUARD_KEY"),
    (";rules=email:hash;key-env=BYTEOR_TEST_NO_SUCH_KEY", "placed", "E_DATAGUARD_KEY"),
    (";rules=email:hash;key-file=/nowhere", "placed", "E_DATAGUARD_KEY"),
    (";rules=email:hash;key-file=/dev/zero", "placed", "E_DATAGUARD_KEY"),
    (";rules=email:hash;key-env=PATH;key-file=/nowhere", "placed", "E_DATAGUARD_KEY"),
    (";mode=xml", "placed", "E_STAGE_PARAMETERS"),
    (";version-field=v;mode=row", "placed", "E_STAGE_PARAMETERS"),
    (";on-invalid=ignore", "placed", "E_STAGE_PARAMETERS"),
    (";min-version=0", "placed", "E_STAGE_PARAMETERS"),
    (";colour=red", "placed", "E_STAGE_PARAMETERS"),
]


@pytest.mark.parametrize(("more", "msg_type", "code"), REFUSED)
def test_what_can_be_known_at_start_is_refused_at_start(
    registry: Path, more: str, msg_type: str, code: str
) -> None:
    rules = "" if ";rules" in more else ";rules=/0:drop"
    with pytest.raises(StageError) as caught:
        resolve(key_of(registry, "fused", more + rules, msg_type))
    assert (caught.value.code, caught.value.exit) == (code, Exit.INVALID)
    assert caught.value.hint


def test_a_name_may_stand_in_what_a_schema_leaves_open(registry: Path) -> None:
    run = guard(registry, "redact", ";rules=ssn:drop", "nested")
    assert run([b'{"free":{"ssn":1,"x":2}}']) == [b'{"free":{"x":2}}']


BAD_FILES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no schema": lambda s: [1],
    "unknown member": lambda s: {**s, "colour": 1},
    "missing": lambda s: {k: v for k, v in s.items() if k != "version"},
    "version 0": lambda s: {**s, "version": 0},
    "no fields": lambda s: {**s, "fields": []},
    "odd id": lambda s: {**s, "schema-id": "a b"},
    "twice": lambda s: {**s, "fields": s["fields"] + s["fields"][:1]},
    "type": lambda s: {**s, "fields": [{"name": "a", "type": "text"}]},
    "fields of text": lambda s: {**s, "fields": [{"name": "a", "type": "string", "fields": s["fields"]}]},
    "items of text": lambda s: {**s, "fields": [{"name": "a", "type": "string", "items": "string"}]},
    "no name": lambda s: {**s, "fields": [{"name": "", "type": "string"}]},
    "same version": lambda s: s,
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_one_broken_file_stops_the_start_and_is_named(tmp_path: Path, case: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ORDER))
    (tmp_path / "b.json").write_text(json.dumps(BAD_FILES[case](ORDER)))
    with pytest.raises(StageError) as caught:
        load_family(tmp_path, "orders", "placed", 1)
    error = caught.value
    assert (error.code, error.exit) == ("E_DATAGUARD_REGISTRY", Exit.INVALID)
    assert error.where is not None
    assert error.where.file == str(tmp_path / "b.json")


def test_the_newest_version_counts_and_the_digest_covers_all_versions(registry: Path) -> None:
    family = load_family(registry, "orders", "placed", 1)
    assert (family.newest.version, sorted(family.versions)) == (2, [1, 2])
    digest = hashlib.sha256()
    for name in ("0.json", "1.json"):
        digest.update(hashlib.sha256((registry / name).read_bytes()).digest())
    assert family.sha256 == digest.hexdigest()
    assert isinstance(family.newest, Schema)


@pytest.mark.parametrize(
    ("mode", "key", "ok"),
    [(0o600, KEY, True), (0o640, KEY, False), (0o600, "short", False), (0o600, KEY * 200, False)],
)
def test_a_key_file_is_ours_alone_and_long_enough(
    registry: Path, tmp_path: Path, mode: int, key: str, ok: bool
) -> None:
    file = tmp_path / "key"
    file.write_text(key + "\n")
    file.chmod(mode)
    more = f";rules=email:hash;key-file={file}"
    if ok:
        (out,) = guard(registry, "redact", more)([b'{"email":"x"}'])
        assert json.loads(out) == {"email": hashed("x")}
        return
    with pytest.raises(StageError) as caught:
        resolve(key_of(registry, "redact", more))
    assert caught.value.code == "E_DATAGUARD_KEY"
    assert key not in caught.value.message


def test_a_key_from_the_environment_gives_the_same_hash(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTEOR_TEST_GUARD_KEY", KEY)
    (out,) = guard(registry, "redact", ";rules=email:hash;key-env=BYTEOR_TEST_GUARD_KEY")([b'{"email":"x"}'])
    assert json.loads(out)["email"] == hashed("x")


def test_on_invalid_fail_stops_the_run_and_shows_nothing_of_the_message(registry: Path) -> None:
    run = guard(registry, "check", ";on-invalid=fail")
    with pytest.raises(StageError) as caught:
        run([b'{"id":"a","qty":1,"price":1}', b'{"id":"topsecret","qty":"x","price":1}'])
    error = caught.value
    assert (error.code, error.index) == ("E_STAGE_INPUT", 1)
    assert "type at /qty" in error.message
    assert "topsecret" not in error.message
    assert (run.report()["in"], run.report()["rejected"]) == (2, 1)


def test_the_report_is_kv_and_written_at_start_and_end(registry: Path, tmp_path: Path) -> None:
    key = key_of(registry, "fused", ";rules=email:drop,/qty:truncate=1")
    with resolve(key).opened(Context("guard", key, folder=tmp_path)) as run:
        first = (tmp_path / "guard.report.kv").read_text()
        run([b'{"id":"a","qty":12,"price":1,"email":"x"}', b'{"id":"a"}'])
    last = dict(line.split("=", 1) for line in (tmp_path / "guard.report.kv").read_text().splitlines())
    assert "in=0\n" in first
    assert {
        k: last[k] for k in ("schema_id", "msg_type", "version", "in", "redacted", "rejected_missing")
    } == {
        "schema_id": "orders",
        "msg_type": "placed",
        "version": "2",
        "in": "2",
        "redacted": "1",
        "rejected_missing": "1",
    }
    assert [last[f"rules.{n}.{part}"] for n in (0, 1) for part in ("field", "action", "hits")] == [
        *("email", "drop", "1"),
        *("/qty", "truncate", "1"),
    ]


names = st.sampled_from(["email", "id", "qty", "price", "gift", "x"])
documents = st.one_of(
    st.fixed_dictionaries(
        {"id": st.text(max_size=3), "qty": st.integers(), "price": st.none() | st.integers()},
        optional={"email": st.text(max_size=5), "gift": st.booleans()},
    ),
    st.dictionaries(names, st.none() | st.integers() | st.text(max_size=3), max_size=5),
    st.lists(st.integers(), max_size=2),
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=60)
@given(batch=st.lists(documents, max_size=8), stage=st.sampled_from(["check", "redact", "fused"]))
def test_every_message_is_counted_once_and_results_agree_with_the_counters(
    registry: Path, batch: list[Any], stage: str
) -> None:
    run = guard(registry, stage, "" if stage == "check" else ";rules=email:replace_with=gone")
    out = run([json.dumps(document).encode() for document in batch])
    report = run.report()
    assert report["in"] == len(batch) == report["passed"] + report["redacted"] + report["rejected"]
    assert report["rejected"] == out.count(None)
    reasons = ("parse", "columns", "version", "missing", "null", "type", "unlisted")
    assert report["rejected"] == sum(report[f"rejected_{reason}"] for reason in reasons)
    changed = [json.loads(one) for one in out if one is not None]
    hit = sum(isinstance(document, dict) and "email" in document for document in changed)
    assert report["redacted"] == (0 if stage == "check" else hit)
    assert report.get("rules.0.hits", 0) == report["redacted"]


leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.just(1.0) | st.just("x")
nested = st.fixed_dictionaries(
    {"who": st.fixed_dictionaries({"email": leaves}, optional={"more": leaves}) | leaves},
    optional={
        "v": leaves,
        "lines": st.lists(
            st.fixed_dictionaries({}, optional={"sku": leaves, "x": leaves}) | leaves, max_size=2
        )
        | leaves,
        "tags": st.lists(leaves, max_size=2),
        "free": st.dictionaries(st.text(max_size=2), leaves, max_size=2) | leaves,
        "more": leaves,
    },
)
flat = st.fixed_dictionaries(
    {"id": leaves, "qty": leaves}, optional={"price": leaves, "gift": leaves, "email": leaves, "more": leaves}
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=150)
@given(document=st.one_of(nested, flat), additional=st.booleans())
def test_the_first_look_and_the_whole_check_agree(document: dict[str, Any], additional: bool) -> None:
    for text in (NESTED, ORDER):
        schema = msgspec.convert({**text, "additional": additional}, Schema)
        wrong = violation(document, schema)
        try:
            reader(schema)(json.dumps(document).encode())
            assert wrong is None
        except msgspec.DecodeError:
            assert wrong is not None


def test_of_a_member_that_stands_twice_the_last_counts_whatever_the_first_look_says(registry: Path) -> None:
    run = guard(registry, "check")
    twice = b'{"id":1,"id":"a","qty":1,"price":1}'
    assert run([twice, b'{"id":"a","id":1,"qty":1,"price":1}']) == [twice, None]


SECRET = "hidden-7f3a"
trees = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["email", "a", "free"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def plant(tree: Any, inside: bool = False) -> Any:
    """``tree`` with the secret as every value that lies in a member called email."""
    if isinstance(tree, dict):
        return {name: plant(inner, inside or name == "email") for name, inner in tree.items()}
    if isinstance(tree, list):
        return [plant(item, inside) for item in tree]
    return SECRET if inside else tree


@pytest.mark.parametrize("action", ["drop", "replace_with=x", "hash", "mask=0:4:*", "truncate=3"])
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=25)
@given(tree=st.dictionaries(st.sampled_from(["email", "a", "free"]), trees, max_size=3), escape=st.booleans())
def test_no_action_lets_the_value_through_at_any_depth(
    registry: Path, monkeypatch: pytest.MonkeyPatch, action: str, tree: dict[str, Any], escape: bool
) -> None:
    monkeypatch.setenv("BYTEOR_TEST_GUARD_KEY", KEY)
    run = guard(registry, "redact", f";rules=email:{action};key-env=BYTEOR_TEST_GUARD_KEY", "nested")
    text = json.dumps(plant(tree))
    (out,) = run([(text.replace('"email":', '"em\\u0061il":') if escape else text).encode()])
    assert out is not None
    assert SECRET.encode() not in out
    assert SECRET[:-4].encode() not in out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(cells=st.lists(st.text(st.characters(codec="utf-8"), max_size=4), min_size=5, max_size=5))
@example(cells=["a\nb", "\r", '"', ",", "x"])
def test_cells_that_no_rule_names_come_out_as_they_went_in(registry: Path, cells: list[str]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    line = out.getvalue().removesuffix("\r\n").encode()
    (result,) = guard(registry, "redact", ";mode=csv;rules=email:replace_with=gone")([line])
    assert next(csv.reader(io.StringIO(result.decode(), newline=""))) == [*cells[:4], "gone"]
