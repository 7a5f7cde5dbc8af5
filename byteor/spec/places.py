"""Where a key stands in a JSON or TOML text. Only asked for when there is something to report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from byteor.errors import Where
from byteor.spec.finding import Finding
from byteor.spec.lines import key_segment

Place = tuple[int, int]  # line and column, from 1

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_JSON_TOKEN = re.compile(_STRING + r'|[{}\[\],:]|[^\s{}\[\],:"]++')
_JSON_BRACKET = re.compile(_STRING + r"|[{}\[\]]")
_TOML_PATH = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*+")
_TOML_KEY = re.compile(r"\s*+([a-z0-9_.]++)\s*+=\s*+")


def place_findings(findings: Sequence[Finding], data: bytes, form: str) -> tuple[Finding, ...]:
    """``findings`` with line and column wherever the key, or what it is part of, stands in ``data``."""
    wanted = {f.where.key for f in findings if f.where.line is None and f.where.key is not None}
    if not wanted:
        return tuple(findings)
    text = data.decode("utf-8", "replace")
    above = {"", *(beginning for key in wanted for beginning in _beginnings(key))}
    pairs = _json_places(text, above) if form == "json" else _toml_places(text)
    twice = {finding.where.key for finding in findings if finding.code == "E_DUP_KEY"}
    places: dict[str, Place] = {}
    missing = set(wanted)
    for key, place in pairs:
        if key in twice:  # the last one is meant
            places[key] = place
        elif key in wanted or key in above:
            places.setdefault(key, place)
            missing.discard(key)
            if not missing:
                break
    return tuple(_placed(finding, places) for finding in findings)


def _beginnings(key: str) -> Iterator[str]:
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def _placed(finding: Finding, places: dict[str, Place]) -> Finding:
    where = finding.where
    if where.line is not None or where.key is None:
        return finding
    key = where.key
    while key and key not in places:
        key = key.rpartition(".")[0]
    line, column = places.get(key, (1, 1))
    return msgspec.structs.replace(finding, where=Where(where.file, line, column, where.key))


class _Lines:
    """Offsets, asked for in rising order, to line and column."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._start, self._at = 1, 0, 0

    def place(self, offset: int) -> Place:
        breaks = self._text.count("\n", self._at, offset)
        if breaks:
            self._line += breaks
            self._start = self._text.rfind("\n", self._at, offset) + 1
        self._at = offset
        return self._line, offset - self._start + 1


def _json_places(text: str, above: set[str]) -> Iterator[tuple[str, Place]]:
    """Path and place of the values of well-formed JSON in the containers that ``above`` names, by its
    tokens alone, without recursion. What stands in another container is passed over."""
    lines = _Lines(text)
    opened: list[tuple[str, int | None]] = []  # path of each open container; the index of an array's item
    name: str | None = None
    at = 0
    while (match := _JSON_TOKEN.search(text, at)) is not None:
        token, at = match[0], match.end()
        if token in "}]":
            opened.pop()
        elif token == ",":
            path, index = opened[-1]
            opened[-1] = path, None if index is None else index + 1
            name = None
        elif token == ":":
            continue
        elif opened and opened[-1][1] is None and name is None:
            name = key_segment(_unescaped(token))
        else:
            path = _joined(*opened[-1], name) if opened else ""
            yield path, lines.place(match.start())
            name = None
            if token in "{[":
                if path in above:
                    opened.append((path, None if token == "{" else 0))
                else:
                    at = _after(text, at)


def _joined(path: str, index: int | None, name: str | None) -> str:
    segment = name if index is None else str(index)
    return f"{path}.{segment}" if path else str(segment)


def _unescaped(token: str) -> str:
    if "\\" not in token:
        return token[1:-1]
    import json

    return str(json.loads(token, strict=False))


def _after(text: str, at: int) -> int:
    """Where the container that was opened just before ``at`` has ended."""
    depth = 1
    while depth:
        match = _JSON_BRACKET.search(text, at)
        if match is None:
            return len(text)
        depth += (match[0] in "{[") - (match[0] in "}]")
        at = match.end()
    return at


def find_in_json(text: str, token: str) -> Place:
    """The place of the first ``token`` that stands outside of strings."""
    for match in _JSON_TOKEN.finditer(text):
        if match[0] == token:
            return _Lines(text).place(match.start())
    return 1, 1


def find_depth(text: str, most: int) -> Place:
    """The place of the first bracket of JSON that stands inside ``most`` others."""
    depth = 0
    for match in _JSON_BRACKET.finditer(text):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > most:
            return _Lines(text).place(match.start())
    return 1, 1


def _toml_places(text: str) -> Iterator[tuple[str, Place]]:
    """Tables, arrays of tables and keys at the start of a line; what stands inside a value has its line."""
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.split("\n"), 1):
        header = _toml_header(line.strip())
        if header is not None:
            prefix = _indexed(header, counts, opens=line.lstrip().startswith("[["))
            yield prefix, (number, 1)
            continue
        pair = _TOML_KEY.match(line)
        if pair is not None:
            yield (f"{prefix}.{pair[1]}" if prefix else pair[1]), (number, pair.end() + 1)


def _toml_header(line: str) -> str | None:
    """The dotted name in ``[name]`` or ``[[name]]``."""
    if not line.startswith("["):
        return None
    name = "".join(line[: line.find("]")].lstrip("[").split())
    return name if _TOML_PATH.fullmatch(name) else None


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
