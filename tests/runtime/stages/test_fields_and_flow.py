"""Stages on members and stages that filter: tables of input and output."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.stages import StageError, resolve

FIELDS = [
    ("json_select:a,c", b'{"c": 1, "b": 2, "a": [1, 2]}', b'{"c":1,"a":[1, 2]}'),
    ("json_select:z", b'{"a":1}', b"{}"),
    ("json_drop:a", b'{"a":1,"b":2}', b'{"b":2}'),
    ("json_rename:a=x", b'{"a":1,"b":2}', b'{"x":1,"b":2}'),
    ("json_rename:a=b", b'{"a":1,"b":2}', b'{"b":1}'),
    ("json_rename:a=b", b'{"b":2,"a":1}', b'{"b":1}'),
    ("json_rename:a=b,b=a", b'{"a":1,"b":2}', b'{"b":1,"a":2}'),
    ("redact:pw", b'{"pw":"x","b":2}', b'{"pw":"[redacted]","b":2}'),
    ("redact:pw", b'{"a":[{"pw":1,"k":"\xc3\xa9"}]}', '{"a":[{"pw":"[redacted]","k":"é"}]}'.encode()),
    ("redact:pw", b'{"pw":{"pw":1}}', b'{"pw":"[redacted]"}'),
]


@pytest.mark.parametrize(("key", "message", "expected"), FIELDS)
def test_members_come_out_as_asked(key: str, message: bytes, expected: bytes) -> None:
    assert resolve(key).make()([memoryview(message)]) == [expected]


@pytest.mark.parametrize("key", ["json_drop:z", "json_rename:z=y", "redact:z"])
@pytest.mark.parametrize("message", [b'{"a": 1}', b'{"a": [1, 2], "b": {"c": "d"}}'])
def test_a_message_without_the_member_keeps_its_meaning(key: str, message: bytes) -> None:
    (out,) = resolve(key).make()([message])
    assert json.loads(out) == json.loads(message)


@pytest.mark.parametrize("key", ["json_select:a", "json_drop:a", "json_rename:a=b", "redact:a"])
@pytest.mark.parametrize("message", [b"text", b"", b"[1]", b'{"a":', b'{"a":1}}', b'{"a":' + b"[" * 50_000])
def test_what_is_no_object_is_an_error_that_names_the_message(key: str, message: bytes) -> None:
    with pytest.raises(StageError) as caught:
        resolve(key).make()([b"{}", message])
    assert (caught.value.code, caught.value.index) == ("E_STAGE_INPUT", 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abpw"), inner, max_size=3),
    max_leaves=8,
)


def contains_secret(tree: object) -> bool:
    if isinstance(tree, dict):
        return any(
            (name == "p" and value != "[redacted]") or contains_secret(value) for name, value in tree.items()
        )
    return isinstance(tree, list) and any(map(contains_secret, tree))


@given(st.dictionaries(st.sampled_from("abpw"), json_values, max_size=4))
def test_no_redacted_member_survives_at_any_depth(document: dict[str, object]) -> None:
    (out,) = resolve("redact:p").make()([json.dumps(document).encode()])
    assert not contains_secret(json.loads(out))
    if "p" not in json.dumps(document):
        assert json.loads(out) == document


FILTERS = [
    ("outlier=true", b'{"outlier":true}', True),
    ("outlier=true", b'{"outlier":1}', False),
    ("outlier=1", b'{"outlier":true}', False),
    ("v>10", b'{"v":10.5}', True),
    ("v>10", b'{"v":10}', False),
    ("v>=10", b'{"v":10}', True),
    ("v<10", b'{"v":"9"}', False),
    ("v=10", b'{"v":10.0}', True),
    ("v!=10", b'{"v":11}', True),
    ("v!=10", b'{"w":11}', False),
    ("level=error", b'{"level":"error"}', True),
    ('level="10"', b'{"level":"10"}', True),
    ('level="10"', b'{"level":10}', False),
    ("level>=b", b'{"level":"c"}', True),
    ("v=null", b'{"v":null}', True),
    ("v=null", b"{}", False),
    ("v = 1", b'{"v":1}', True),
    ("v=1", b"text", False),
]


@pytest.mark.parametrize(("comparison", "message", "passes"), FILTERS)
def test_a_filter_lets_through_what_compares(comparison: str, message: bytes, passes: bool) -> None:
    (out,) = resolve(f"json_filter:{comparison}").make()([message])
    assert out is (message if passes else None)


@given(st.integers(1, 7), st.lists(st.integers(0, 5), max_size=10))
def test_a_sample_is_every_nth_whatever_the_batches(every: int, batches: list[int]) -> None:
    pick = resolve(f"sample:{every}").make()
    numbers = [b"%d" % number for number in range(sum(batches))]
    out: list[bytes | None] = []
    for count in batches:
        out += pick(numbers[len(out) : len(out) + count])
    assert out == [text if int(text) % every == 0 else None for text in numbers]


def test_a_duplicate_is_filtered_while_it_is_remembered() -> None:
    pick = resolve("dedupe:id,2").make()
    ids = [1, 1, 2, 1, 3, 2, 1]
    out = pick([b'{"id":%d}' % number for number in ids])
    assert [item is not None for item in out] == [True, False, True, False, True, True, True]


def test_values_are_the_same_however_they_are_written_and_their_types_differ() -> None:
    pick = resolve("dedupe:id,9").make()
    messages = [
        b'{"id":{"a":1,"b":2}}',
        b'{"id": {"b":2, "a":1}}',
        b'{"id":1}',
        b'{"id":"1"}',
        b"{}",
        b"{}",
        b"x",
    ]
    assert [item is not None for item in pick(messages)] == [True, False, True, True, True, True, True]
