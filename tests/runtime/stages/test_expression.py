"""The language of ``json_filter``: a table of what it says, and what it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.stages.expression import at_path, compile_expression, parse_pointer

DOCUMENT = {
    "level": "error",
    "v": 10,
    "half": 0.5,
    "flag": True,
    "none": None,
    "load.1m": 3,
    "http": {"status": 503, "tags": ["a", 1, True], "a/b": {"c~d": 1}, "two words": "x"},
    "bid": 1,
    "ask": 2,
    "text": "an error here",
    "and": 1,
}

TABLE = [
    ("level=error", True),
    ("level == error", True),
    ('level="error"', True),
    ("level!=error", False),
    ("v=10", True),
    ("v=10.0", True),
    ('v="10"', False),
    ("flag=true", True),
    ("flag=1", False),
    ("v=true", False),
    ("none=null", True),
    ("missing=null", False),
    ("missing!=1", False),
    ("not missing=1", True),
    ("v>9 and v<11", True),
    ("v>9 and v<10", False),
    ("v>10 or level>=error", True),
    ("v>10 or v<9 or v=10", True),
    ("not v>10 and not v<10", True),
    ("v=1 and v=2 or v=10", True),
    ("v=1 and (v=2 or v=10)", False),
    ("not (v=1 or v=2)", True),
    ("not not v=10", True),
    ("load.1m=3", True),
    ("/http/status>=500", True),
    ("/http/tags/0=a", True),
    ("/http/tags/3=a", False),
    ("/http/tags/00=a", False),
    ("/http/a~1b/c~0d=1", True),
    ('/http/"two words"=x', True),
    ('/http/"a/b"/"c~d"=1', True),
    ("/http/status/x=1", False),
    ("bid</ask", True),
    ("/bid>/ask", False),
    ("/bid=/missing", False),
    ("level in [error,fatal]", True),
    ('level in ["fatal", 1, null]', False),
    ("v in [true,10]", True),
    ("flag in [1]", False),
    ("v not in [1,2]", True),
    ("missing not in [1]", True),
    ("missing in [1]", False),
    ('"error" in text', True),
    ('"ERROR" in text', False),
    ('"a" in /http/tags', True),
    ('"b" in /http/tags', False),
    ("1 in /http/tags", True),
    ('"status" in http', True),
    ('"x" in v', False),
    ("level in /text", True),
    ("/missing in /text", False),
    ('"x" in /missing', False),
    ("exists none", True),
    ("exists missing", False),
    ("exists /http/status", True),
    ("not exists /http/nothing", True),
    ("/and=1", True),
    ("/http=/http", True),
    ("/http</http", False),
    ("/http!=/http", False),
    ("v=-10", False),
    ("half=5e-1", True),
    ('text="an error here"', True),
    ('level="\\u0065rror"', True),
    ("  v = 10  ", True),
]


@pytest.mark.parametrize(("expression", "expected"), TABLE)
def test_an_expression_means_what_the_table_says(expression: str, expected: bool) -> None:
    assert compile_expression(expression)(DOCUMENT) is expected


@pytest.mark.parametrize("document", [None, 1, "error", [], ["level"], True])
def test_what_is_no_object_has_no_members(document: object) -> None:
    assert not compile_expression("level=error")(document)
    assert compile_expression("not exists level")(document)


WRONG = [
    ("", "ends where"),
    ("v", "ends where a comparison"),
    ("v=", "ends where a member or a value"),
    ("v=1 v=2", "'v' stands where the expression should end"),
    ("(v=1", "')' is missing"),
    ("v=1)", "should end"),
    ("v in [1", "']' is missing"),
    ("v in []", "stands where a value should"),
    ("v not 1", "'in' is missing"),
    ("v ! 1", "cannot read"),
    ('v="x', "cannot read"),
    ('v="\\x"', "no JSON text"),
    ("and=1", "'and' stands where"),
    ("1=1", "always the same"),
    ("v<true", "only = and != compare with true"),
    ("v>=null", "only = and != compare with null"),
    ("v=[1]", "'[' stands where"),
    ("v is 1", "'is' is no comparison"),
    ("(" * 500 + "v=1" + ")" * 500, "more than 40"),
    ("not " * 200 + "v=1", "more than 40"),
    ("v and or", "'and' is no comparison"),
]


@pytest.mark.parametrize(("expression", "why"), WRONG)
def test_what_is_no_expression_is_told_why(expression: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        compile_expression(expression)
    assert why in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_a_value_error(text: str) -> None:
    try:
        test = compile_expression(text)
    except ValueError:
        return
    assert test(DOCUMENT) in (True, False)


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(), inner, min_size=1), max_leaves=6))
def test_a_pointer_finds_every_member_however_it_is_called(document: object) -> None:
    def check(value: object, pointer: str) -> None:
        assert at_path(document, parse_pointer(pointer)) == value
        if isinstance(value, dict):
            for name, inner in value.items():
                check(inner, f"{pointer}/{json.dumps(name)}")
                escaped = name.replace("~", "~0").replace("/", "~1")
                if not name.startswith('"') and '"' not in name:
                    check(inner, f"{pointer}/{escaped}")

    check(document, "")
