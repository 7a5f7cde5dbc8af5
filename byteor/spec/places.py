"""Where a key stands in a JSON or TOML text. Only asked for when there is something to report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from byteor.errors import Where
from byteor.spec.finding import Finding

Place = tuple[int, int]  # line and column, from 1

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:\n]|[^\s{}\[\],:"]+')
_TOML_HEADER = re.compile(r"\s*(\[\[?)\s*([a-z0-9_.\s]+?)\s*\]\]?")
_TOML_KEY = re.compile(r"\s*([a-z0-9_.]+)\s*=\s*")


def place_findings(findings: Sequence[Finding], data: bytes, form: str) -> tuple[Finding, ...]:
    """``findings`` with line and column wherever the key, or what it is part of, stands in ``data``."""
    if all(finding.where.line is not None or finding.where.key is None for finding in findings):
        return tuple(findings)
    text = data.decode("utf-8", "replace")
    places = dict(_json_places(text) if form == "json" else _toml_places(text))
    return tuple(_placed(finding, places) for finding in findings)


def _placed(finding: Finding, places: dict[str, Place]) -> Finding:
    where = finding.where
    if where.line is not None or where.key is None:
        return finding
    key = where.key
    while key and key not in places:
        key = key.rpartition(".")[0]
    line, column = places.get(key, (1, 1))
    return msgspec.structs.replace(finding, where=Where(where.file, line, column, where.key))


def _json_places(text: str) -> Iterator[tuple[str, Place]]:
    """Path and place of every value of well-formed JSON, by its tokens alone, without recursion."""
    line, line_start = 1, 0
    path: list[str | int] = []  # one entry per open container: the member's name or the item's index
    opened: list[str] = []
    name_next = False
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line, line_start = line + 1, match.end()
        elif token in "}]":
            opened.pop()
            path.pop()
        elif token == ":":
            name_next = False
        elif token == ",":
            last = path[-1] if path else 0
            if isinstance(last, int):
                path[-1] = last + 1
            name_next = opened[-1] == "{"
        elif name_next:
            path[-1] = token[1:-1]
        else:
            yield ".".join(map(str, path)), (line, match.start() - line_start + 1)
            if token in "{[":
                opened.append(token)
                path.append("" if token == "{" else 0)
                name_next = token == "{"


def _toml_places(text: str) -> Iterator[tuple[str, Place]]:
    """Tables, arrays of tables and keys at the start of a line; what stands inside a value has its line."""
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.split("\n"), 1):
        header = _TOML_HEADER.match(line)
        if header is not None:
            prefix = _indexed(re.sub(r"\s", "", header[2]), counts, opens=header[1] == "[[")
            yield prefix, (number, 1)
            continue
        pair = _TOML_KEY.match(line)
        if pair is not None:
            yield (f"{prefix}.{pair[1]}" if prefix else pair[1]), (number, pair.end() + 1)


def _indexed(name: str, counts: dict[str, int], *, opens: bool) -> str:
    """``name`` with the current index after every array of tables in it; ``opens`` starts the next item."""
    path = ""
    parts = name.split(".")
    for place, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if opens and place == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}.{counts[path]}"
    return path
