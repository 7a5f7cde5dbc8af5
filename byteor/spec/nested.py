"""JSON and TOML to entries: the same keys by nesting, the same value rules."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from byteor.spec.fields import DOCUMENTS, INT_MAX
from byteor.spec.finding import Findings
from byteor.spec.lines import MAX_LINE_BYTES, Entry, key_segment

_SEGMENT = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_LITERAL = re.compile(rb"'[^']*+'")
_STRINGS = re.compile(rb'("(?:[^"\\]++|\\.)*+)("?+)|' + _LITERAL.pattern)
MAX_DEPTH = 8  # no key has more segments
MAX_ITEMS = 100_000  # of a list, ten times what anybody runs
_DEEP = re.compile(rb"(?<![\w-])(?:(?:[\w-]++|'')\s*+\.\s*+){%d}" % MAX_DEPTH)


def _shapes() -> dict[str, str]:
    """Every container that a document may have: its key, indexes written N -> object or list."""
    shapes = {"": "object"}
    for section in (section for sections in DOCUMENTS.values() for section in sections if section.prefix):
        parts = section.prefix.split(".")
        shapes |= {".".join(parts[:depth]): "object" for depth in range(1, len(parts))}
        if section.many:
            shapes |= {section.prefix: "list", section.prefix + ".N": "object"}
            shapes |= {f"{section.prefix}.N.{field.name}": "list" for field in section.fields if field.many}
        else:
            shapes[section.prefix] = "object"
    return shapes


_SHAPES = _shapes()


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its members in order, so that a member that stands twice is seen."""


class _ConstantError(ValueError):
    """NaN or an Infinity, which JSON has not."""


def read_json(data: bytes, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of a JSON document; a syntax error is one finding with its place."""
    import json

    from byteor.spec.places import find_depth, find_in_json

    try:
        text = data.decode("utf-8")
        root = json.loads(
            text, object_pairs_hook=_Pairs, parse_constant=_refuse_constant, parse_int=_bounded_int
        )
    except json.JSONDecodeError as error:
        findings.add("E_SYNTAX", f"not JSON: {error.msg}", line=error.lineno, column=error.colno)
    except UnicodeDecodeError as error:
        _refuse_byte(data, error.start, findings)
    except RecursionError:
        _refuse_depth(find_depth(text, MAX_DEPTH), findings)
    except _ConstantError as error:
        line, column = find_in_json(text, str(error))
        findings.add("E_SYNTAX", f"not JSON: {error} is not a value", line=line, column=column)
    else:
        yield from _document(root, findings)


def read_toml(data: bytes, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of a TOML document; a syntax error is one finding with its place."""
    import tomllib

    if not _shallow(data, findings):
        return
    try:
        root = tomllib.loads(data.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        if place is not None:
            line, column = int(place[1]), int(place[2])
        else:  # at the end of the document
            line, column = data.count(b"\n") + 1, len(data) - data.rfind(b"\n")
        message = re.sub(r" \(at .*\)$", "", str(error))
        findings.add("E_SYNTAX", f"not TOML: {message}", line=line, column=column)
    except UnicodeDecodeError as error:
        _refuse_byte(data, error.start, findings)
    except RecursionError:
        _refuse_depth((1, 1), findings)
    except ValueError as error:  # an integer of thousands of digits
        findings.add("E_SYNTAX", f"not TOML: {error}", line=1, column=1)
    else:
        yield from _document(root, findings)


def _document(root: object, findings: Findings) -> Iterator[Entry]:
    if _is_object(root):
        yield from _walk("", "", root, findings)
    else:
        findings.add("E_SYNTAX", "the document is not an object", line=1, column=1)


def _refuse_constant(name: str) -> object:
    raise _ConstantError(name)


def _bounded_int(digits: str) -> int:
    """The integer, or one that is out of range as well: Python refuses to read thousands of digits."""
    return int(digits) if len(digits) < 40 else INT_MAX + 1


def _shallow(data: bytes, findings: Findings) -> bool:
    """Refuse dotted keys of many segments first: the TOML reader takes quadratic time over them."""
    for number, line in enumerate(io.BytesIO(data), 1):
        if len(line) > MAX_LINE_BYTES:
            message = f"the line is {len(line):,} bytes long"
            findings.add("E_LINE_LENGTH", message, line=number, column=MAX_LINE_BYTES + 1)
            return False
        if line.count(b".") < MAX_DEPTH:
            continue
        if b'"' not in line and b"'" not in line:  # no string ends here, so what follows # is no key
            line = line.partition(b"#")[0]
        if _DEEP.search(_STRINGS.sub(_blanked, line)):
            hint = f"keys have at most {MAX_DEPTH} segments"
            findings.add("E_KEY", "the key is nested too deeply", line=number, column=1, hint=hint)
            return False
    return True


def _blanked(string: re.Match[bytes]) -> bytes:
    """An empty string for ``string``; one that does not end in its line stays (the rest may hold a key), and
    is looked at once, not again from every quote in it."""
    if string[1] is None or string[2]:
        return b"''"
    return b'"' + _LITERAL.sub(b"''", string[1][1:])


def _refuse_byte(data: bytes, offset: int, findings: Findings) -> None:
    before = data[:offset]
    column = offset - (before.rfind(b"\n") + 1) + 1
    line = before.count(b"\n") + 1
    findings.add("E_ENCODING", f"byte 0x{data[offset]:02x} is not UTF-8", line=line, column=column)


def _refuse_depth(place: tuple[int, int], findings: Findings) -> None:
    line, column = place
    hint = f"keys have at most {MAX_DEPTH} segments"
    findings.add("E_SYNTAX", "the document is nested too deeply", line=line, column=column, hint=hint)


def _is_object(value: object) -> bool:
    return isinstance(value, (_Pairs, dict))


def _walk(key: str, pattern: str, value: object, findings: Findings) -> Iterator[Entry]:
    """Depth first in document order, into the containers that a document has; another one is one entry.

    ``pattern`` is ``key`` with every index written N.
    """
    shape = _SHAPES.get(pattern)
    if shape is None:
        yield _leaf(key, value, findings)
    elif shape == "object" and _is_object(value):
        if pattern.endswith(".N"):
            yield Entry(key, "", None, "item")
        yield from _members(key, pattern, value, findings)
    elif shape == "list" and isinstance(value, list) and not _is_object(value):
        if len(value) > MAX_ITEMS:
            findings.add("E_INDEX", f"the list has {len(value):,} items", key=key, hint="split the pipeline")
            yield Entry(key, "", None, "bad")
            return
        for index, item in enumerate(value):
            yield from _walk(f"{key}.{index}", pattern + ".N", item, findings)
    else:
        message = f"`{key}` is not {'an object' if shape == 'object' else 'a list'}"
        findings.add("E_TYPE", message, key=key, value=_shown(value))
        yield Entry(key, "", None, "bad")


def _members(key: str, pattern: str, value: Any, findings: Findings) -> Iterator[Entry]:
    for name, child in value if isinstance(value, _Pairs) else value.items():
        place = f"{key}.{key_segment(name)}" if key else key_segment(name)
        if _SEGMENT.fullmatch(name) is None:
            findings.add("E_KEY", f"`{place[:80]}` is not a key", key=place, value=key_segment(name))
        else:
            yield from _walk(place, f"{pattern}.{name}" if pattern else name, child, findings)


def _leaf(key: str, value: object, findings: Findings) -> Entry:
    if isinstance(value, bool):
        return Entry(key, "true" if value else "false", None, "bool")
    if isinstance(value, int):
        if -INT_MAX <= value <= INT_MAX:
            return Entry(key, str(value), None, "int")
        findings.add("E_TYPE", "the integer is out of range", key=key, hint="integers are at most 2^63-1")
        return Entry(key, "", None, "bad")
    if isinstance(value, str):
        if _VALUE.fullmatch(value) is not None:
            return Entry(key, value, None, "str")
        message = "a value is printable ASCII, not empty, without a blank at either end"
        findings.add("E_ENCODING", message, key=key, value=ascii(value))
        return Entry(key, "", None, "bad")
    return Entry(key, _shown(value), None, "other")


def _shown(value: object) -> str:
    if _is_object(value):
        return "{...}"
    return "[...]" if isinstance(value, list) else ascii(value)[:200]
