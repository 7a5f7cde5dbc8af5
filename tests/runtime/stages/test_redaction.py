"""What is redacted leaves no trace at any depth, however the member is written; the rest keeps its bytes."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byteor.runtime.stages import resolve
from byteor.runtime.stages.redaction import ANY, Redactor, Rule

SECRET = "s3cr3t"
HIDE = msgspec.Raw(b'"[redacted]"')


def redactor(*paths: str) -> Redactor:
    return Redactor(
        [
            Rule("", tuple(path.split("/")[1:]), lambda _: HIDE)
            if path.startswith("/")
            else Rule(path, (), lambda _: HIDE)
            for path in paths
        ]
    )


names = st.sampled_from(["pw", "a", "b", "*", "0", "né"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def with_secrets(tree: object) -> object:
    """The tree with the secret under every name ``pw``."""
    if isinstance(tree, dict):
        return {
            name: {"deep": [SECRET]} if name == "pw" else with_secrets(inner) for name, inner in tree.items()
        }
    return [with_secrets(item) for item in tree] if isinstance(tree, list) else tree


def without(tree: object) -> object:
    if isinstance(tree, dict):
        return {n: "[redacted]" if n == "pw" else without(inner) for n, inner in tree.items()}
    return [without(item) for item in tree] if isinstance(tree, list) else tree


def spelled(tree: object, escape: bool) -> str:
    """JSON with the name ``pw`` as it is, or written with an escape."""
    text = json.dumps(tree)
    return text.replace('"pw":', '"p\\u0077":') if escape else text


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, values, max_size=4), st.booleans())
def test_no_value_of_the_name_survives_and_all_else_means_the_same(
    tree: dict[str, object], escape: bool
) -> None:
    message = spelled(with_secrets(tree), escape).encode()
    out = redactor("pw").apply(message)
    assert SECRET.encode() not in (message if out is None else out)
    assert json.loads(message if out is None else out) == without(with_secrets(tree))


DUPLICATES = [
    '{"pw":"s3cr3t","pw":"[redacted]"}',
    '{"a":{"pw":"s3cr3t"},"a":1}',
    '{"a":[{"pw":"s3cr3t","pw":1}]}',
    '{"a":{"b":{"pw":"s3cr3t"},"b":0}}',
    '{"p\\u0077":"s3cr3t","pw":2}',
]


@pytest.mark.parametrize("message", DUPLICATES)
@pytest.mark.parametrize("stage", ["redactor", "redact"])
def test_a_member_that_stands_twice_hides_nothing(message: str, stage: str) -> None:
    if stage == "redact":
        (out,) = resolve("redact:pw").make()([message.encode()])
    else:
        out = redactor("pw").apply(message.encode())
    assert out is not None
    assert SECRET.encode() not in out
    json.loads(out)


def test_what_no_rule_concerns_is_left_byte_for_byte() -> None:
    assert redactor("pw").apply(b'{ "a" : 1.10, "b":"pwd" }') is None


def test_other_numbers_and_texts_keep_their_spelling() -> None:
    out = redactor("pw").apply(b'{"pw":1,"a":{"x":1.10,"y":12345678901234567890123,"z":"\\u00e9","pw":2}}')
    assert out == (
        b'{"pw":"[redacted]","a":{"x":1.10,"y":12345678901234567890123,"z":"\\u00e9","pw":"[redacted]"}}'
    )


PATHS = [
    ("/a/b", {"a": {"b": 1}, "b": 2}, {"a": {"b": "[redacted]"}, "b": 2}),
    ("/a/*/b", {"a": [{"b": 1}, {"c": 2}], "b": 3}, {"a": [{"b": "[redacted]"}, {"c": 2}], "b": 3}),
    ("/a/1", {"a": [1, 2, 3]}, {"a": [1, "[redacted]", 3]}),
    ("/a/*", {"a": {"x": 1, "y": [2]}}, {"a": {"x": "[redacted]", "y": "[redacted]"}}),
    ("/*/*", {"a": {"x": 1}, "b": [2], "c": 3}, {"a": {"x": "[redacted]"}, "b": ["[redacted]"], "c": 3}),
    ("/a", {"b": {"a": 1}}, {"b": {"a": 1}}),
]


@pytest.mark.parametrize(("path", "given_", "expected"), PATHS)
def test_a_path_names_exactly_what_it_says(path: str, given_: object, expected: object) -> None:
    message = json.dumps(given_).encode()
    out = redactor(path).apply(message)
    assert json.loads(message if out is None else out) == expected


def test_the_first_rule_that_names_a_value_is_applied_and_counted() -> None:
    rules = [
        Rule("x", (), lambda _: msgspec.Raw(b"1")),
        Rule("", ("a", "x"), lambda _: msgspec.Raw(b"2")),
        Rule("", ("a", ANY), lambda _: None),
        Rule("", ("l", ANY), lambda _: None),
    ]
    apply = Redactor(rules)
    assert (
        apply.apply(b'{"a":{"x":0,"y":0},"x":[{"x":5}],"l":[7,8]}') == b'{"a":{"x":1},"x":1,"l":[null,null]}'
    )
    assert apply.hits == [2, 0, 1, 2]
    same = Redactor([Rule("x", (), lambda _: msgspec.Raw(b"1")), Rule("x", (), lambda _: None)])
    assert same.apply(b'{"x":0}') == b'{"x":1}'
    backwards = Redactor(rules[1::-1])
    assert backwards.apply(b'{"a":{"x":0}}') == b'{"a":{"x":2}}'
