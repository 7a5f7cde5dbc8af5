"""The language of ``json_filter``: comparisons, ``and``, ``or``, ``not``, ``in``, ``exists`` over one JSON.

    expression  = conjunction *("or" conjunction)
    conjunction = negation *("and" negation)
    negation    = "not" negation / "(" expression ")" / "exists" operand / test
    test        = operand ("=" / "==" / "!=" / "<" / "<=" / ">" / ">=") operand
                / operand ["not"] "in" (operand / "[" literal *("," literal) "]")
    operand     = pointer / literal / word
    pointer     = 1*("/" (segment / string))            RFC 6901, a segment with odd characters in quotes
    literal     = string / number / "true" / "false" / "null"

A bare word on the left of a test is a member's name, on the right it is text, so that ``level=error`` needs
no quotes. What is compiled is closures over the parsed text; nothing is evaluated as Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

MAX_DEPTH = 40

Value = Any  # what msgspec makes of JSON
Test = Callable[[Value], bool]
MISSING = object()

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator>==|!=|<=|>=|=|<|>|\(|\)|\[|\]|,)
    | (?P<pointer>(?:/(?:"(?:[^"\\]|\\.)*"|[^\s()\[\],"<>=!/]*))+)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<word>[^\s()\[\],"<>=!/][^\s()\[\],"<>=!]*)
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_EQUALITY = ("=", "==", "!=")
_RESERVED = ("and", "or", "not", "in", "exists")


class _Token(NamedTuple):
    kind: str
    text: str


class Operand(NamedTuple):
    """``path`` of a member; or a constant ``value``, when ``path`` is None."""

    path: tuple[str, ...] | None
    value: Value = None

    def of(self, document: Value) -> Value:
        return self.value if self.path is None else at_path(document, self.path)


def compile_expression(text: str) -> Test:
    """What ``text`` says, as a test of a decoded JSON value. Raises ``ValueError`` with a sentence."""
    parser = _Parser(_tokens(text))
    test = parser.expression(0)
    parser.end()
    return test


def parse_pointer(text: str) -> tuple[str, ...]:
    """The names in a JSON pointer (RFC 6901), each as it is or in quotes."""
    parts = re.findall(r'/("(?:[^"\\]|\\.)*"|[^/"]*)', text)
    return tuple(
        msgspec.json.decode(part, type=str)
        if part.startswith('"')
        else part.replace("~1", "/").replace("~0", "~")
        for part in parts
    )


def at_path(document: Value, path: tuple[str, ...]) -> Value:
    """The value there, or ``MISSING``."""
    for name in path:
        if isinstance(document, dict):
            document = document.get(name, MISSING)
        elif isinstance(document, list) and _INDEX.fullmatch(name):
            document = document[int(name)] if int(name) < len(document) else MISSING
        else:
            return MISSING
    return document


def family(value: Value) -> object:
    """Values compare within a family only; in Python alone, true would equal 1."""
    return float if type(value) is int else type(value)


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at:].lstrip()[:20]!r}")
        found.append(_Token(str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; each method gives the test for what it read."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def expression(self, depth: int) -> Test:
        tests = [self._conjunction(depth)]
        while self._take("or"):
            tests.append(self._conjunction(depth))
        return tests[0] if len(tests) == 1 else lambda document: any(test(document) for test in tests)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise ValueError(f"{self._tokens[self._at].text!r} stands where the expression should end")

    def _conjunction(self, depth: int) -> Test:
        tests = [self._negation(depth)]
        while self._take("and"):
            tests.append(self._negation(depth))
        return tests[0] if len(tests) == 1 else lambda document: all(test(document) for test in tests)

    def _negation(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} parentheses or not in each other")
        if self._take("not"):
            inner = self._negation(depth + 1)
            return lambda document: not inner(document)
        if self._take("("):
            inside = self.expression(depth + 1)
            self._expect(")")
            return inside
        if self._take("exists"):
            member = self._operand(left=True)
            return lambda document: member.of(document) is not MISSING
        return self._test()

    def _test(self) -> Test:
        left = self._operand(left=True)
        if self._take("not"):
            self._expect("in")
            inner = self._membership(left)
            return lambda document: not inner(document)
        if self._take("in"):
            return self._membership(left)
        sign = self._next("a comparison, in, or not in")
        if sign.text not in _COMPARE:
            raise ValueError(f"{sign.text!r} is no comparison")
        return _comparison(left, sign.text, self._operand(left=False))

    def _membership(self, left: Operand) -> Test:
        if self._take("["):
            values = [self._literal()]
            while self._take(","):
                values.append(self._literal())
            self._expect("]")
            return lambda document: _among(left.of(document), values)
        right = self._operand(left=True)
        return lambda document: _inside(left.of(document), right.of(document))

    def _operand(self, *, left: bool) -> Operand:
        token = self._next("a member or a value")
        if token.kind == "pointer":
            return Operand(parse_pointer(token.text))
        if token.text in _RESERVED or token.kind == "operator":
            raise ValueError(f"{token.text!r} stands where a member or a value should")
        is_literal, value = _scalar(token)
        if is_literal or not left:
            return Operand(None, value)
        return Operand((token.text,))

    def _literal(self) -> Value:
        token = self._next("a value")
        if token.kind in ("operator", "pointer"):
            raise ValueError(f"{token.text!r} stands where a value should")
        return _scalar(token)[1]

    def _take(self, text: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] in (
            _Token("word", text),
            _Token("operator", text),
        )
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise ValueError(f"{text!r} is missing")

    def _next(self, what: str) -> _Token:
        if self._at == len(self._tokens):
            raise ValueError(f"it ends where {what} should stand")
        self._at += 1
        return self._tokens[self._at - 1]


def _scalar(token: _Token) -> tuple[bool, Value]:
    """(whether it is a literal of JSON, the literal or the word itself)."""
    try:
        return True, msgspec.json.decode(token.text)
    except msgspec.DecodeError as error:
        if token.kind == "string":
            raise ValueError(f"{token.text} is no JSON text") from error
        return False, token.text


def _comparison(left: Operand, sign: str, right: Operand) -> Test:
    compare = _COMPARE[sign]
    if left.path is None and right.path is None:
        raise ValueError("a comparison of two values is always the same")
    ordered = sign not in _EQUALITY
    for side in (left, right):
        if ordered and side.path is None and isinstance(side.value, bool | None):
            raise ValueError(f"only = and != compare with {msgspec.json.encode(side.value).decode()}")

    def test(document: Value) -> bool:
        one, other = left.of(document), right.of(document)
        kind = family(one)
        if one is MISSING or other is MISSING or kind is not family(other):
            return False
        return (not ordered or kind in (float, str)) and compare(one, other)

    return test


def _among(value: Value, values: list[Value]) -> bool:
    return any(family(value) is family(one) and value == one for one in values)


def _inside(value: Value, whole: Value) -> bool:
    if value is MISSING:
        return False
    if isinstance(whole, list):
        return _among(value, whole)
    return isinstance(value, str) and isinstance(whole, str | dict) and value in whole
