"""JSON and TOML to entries: the same keys by nesting, the same value rules, no recursion of our own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from byteor.spec.finding import Findings
from byteor.spec.lines import MAX_LINE_BYTES, Entry

_SEGMENT = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
MAX_DEPTH = 8  # no key has more segments
_DEEP = re.compile(rb"(?:(?:[\w-]+|'')\s*\.\s*){%d}" % MAX_DEPTH)


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its members in order, so that a member that stands twice is seen."""


def read_json(data: bytes, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of a JSON document; a syntax error is one finding with its place."""
    import json

    try:
        root = json.loads(data.decode("utf-8"), object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        findings.add("E_SYNTAX", f"not JSON: {error.msg}", line=error.lineno, column=error.colno)
        return
    except UnicodeDecodeError as error:
        _refuse_byte(data, error.start, findings)
        return
    except RecursionError:
        findings.add(
            "E_SYNTAX", "the document is nested too deeply", hint=f"keys have at most {MAX_DEPTH} segments"
        )
        return
    except ValueError as error:  # NaN, Infinity, or an integer of thousands of digits
        findings.add("E_SYNTAX", f"not JSON: {error}")
        return
    yield from _walk(root, findings)


def read_toml(data: bytes, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of a TOML document; a syntax error is one finding with its place."""
    import tomllib

    if not _shallow(data, findings):
        return
    try:
        root = tomllib.loads(data.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        message = re.sub(r" \(at .*\)$", "", str(error))
        findings.add("E_SYNTAX", f"not TOML: {message}", line=line, column=column)
        return
    except UnicodeDecodeError as error:
        _refuse_byte(data, error.start, findings)
        return
    except RecursionError:
        findings.add(
            "E_SYNTAX", "the document is nested too deeply", hint=f"keys have at most {MAX_DEPTH} segments"
        )
        return
    except ValueError as error:  # an integer of thousands of digits
        findings.add("E_SYNTAX", f"not TOML: {error}")
        return
    yield from _walk(root, findings)


def _shallow(data: bytes, findings: Findings) -> bool:
    """Refuse dotted keys of many segments first: the TOML reader takes quadratic time over them."""
    for number, line in enumerate(io.BytesIO(data), 1):
        if len(line) > MAX_LINE_BYTES:
            message = f"the line is {len(line):,} bytes long"
            findings.add("E_LINE_LENGTH", message, line=number, column=MAX_LINE_BYTES + 1)
            return False
        if line.count(b".") > MAX_DEPTH and _DEEP.search(_STRINGS.sub(b"''", line)):
            hint = f"keys have at most {MAX_DEPTH} segments"
            findings.add("E_KEY", "the key is nested too deeply", line=number, column=1, hint=hint)
            return False
    return True


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a value")


def _refuse_byte(data: bytes, offset: int, findings: Findings) -> None:
    before = data[:offset]
    column = offset - (before.rfind(b"\n") + 1) + 1
    line = before.count(b"\n") + 1
    findings.add("E_ENCODING", f"byte 0x{data[offset]:02x} is not UTF-8", line=line, column=column)


def _walk(root: object, findings: Findings) -> Iterator[Entry]:
    """Depth first in document order, with a stack of our own: depth is data, and data may be hostile."""
    if not isinstance(root, (_Pairs, dict)):
        findings.add("E_SYNTAX", "the document is not an object", line=1, column=1)
        return
    stack: list[tuple[str, int, object]] = [("", 0, root)]
    while stack:
        key, depth, value = stack.pop()
        if depth > MAX_DEPTH:
            hint = f"keys have at most {MAX_DEPTH} segments"
            findings.add("E_KEY", f"`{key[:80]}` is nested too deeply", key=key, hint=hint)
        elif isinstance(value, (_Pairs, dict)):
            members = value if isinstance(value, _Pairs) else list(value.items())
            for name, child in reversed(members):
                if _SEGMENT.fullmatch(name) is None:
                    place = f"{key}.{name}"[:80] if key else name[:80]
                    findings.add("E_KEY", f"`{place}` is not a key", key=key or None, value=name)
                else:
                    stack.append((f"{key}.{name}" if key else name, depth + 1, child))
        elif isinstance(value, list):
            stack.extend((f"{key}.{i}", depth + 1, value[i]) for i in range(len(value) - 1, -1, -1))
        else:
            yield from _leaf(key, value, findings)


def _leaf(key: str, value: object, findings: Findings) -> Iterator[Entry]:
    if isinstance(value, bool):
        yield Entry(key, "true" if value else "false", None, "bool")
    elif isinstance(value, int):
        if abs(value) >> 64:
            findings.add("E_TYPE", "the integer is out of range", key=key, hint="integers are at most 2^63-1")
        else:
            yield Entry(key, str(value), None, "int")
    elif isinstance(value, str):
        if _VALUE.fullmatch(value) is None:
            message = "a value is printable ASCII, not empty, without a blank at either end"
            findings.add("E_ENCODING", message, key=key, value=ascii(value))
        else:
            yield Entry(key, value, None, "str")
    else:
        yield Entry(key, ascii(value)[:200], None, "other")
