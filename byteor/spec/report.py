"""How rules report: by key, with the place looked up in the document that the value was read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from byteor.spec.finding import Findings


def _same(key: str) -> str:
    return key


class Report:
    """Where a set of rules writes its findings.

    ``lines`` maps keys of the document to lines; ``rename`` turns a key of the value that is judged into
    one of the document (a lowered spec is judged, a plan is what the person wrote). A key whose form was
    wrong is not judged again, and no rule is reported twice on one key.
    """

    def __init__(
        self, findings: Findings, lines: Mapping[str, int], rename: Callable[[str], str] = _same
    ) -> None:
        self._findings = findings
        self._lines = lines
        self._rename = rename
        self._malformed = findings.keys()
        self._said: set[tuple[str, str]] = set()
        self.broken = 0  # rules found broken, told or not; a caller compares it to know what still holds
        self._prefixes: dict[str, int] | None = None

    def add(
        self,
        code: str,
        message: str,
        key: str,
        *,
        value: object = None,
        hint: str | None = None,
        category: str | None = None,
    ) -> None:
        self.broken += 1
        key = self._rename(key)
        if key in self._malformed or (code, key) in self._said:
            return
        self._said.add((code, key))
        line, column = self._place(key)
        text = None if value is None else str(value)
        self._findings.add(
            code, message, key=key, line=line, column=column, value=text, hint=hint, category=category
        )

    def _place(self, key: str) -> tuple[int | None, int | None]:
        """The value's place when ``key`` stands in the document, else the first line of what it is part
        of."""
        if not self._lines:
            return None, None
        line = self._lines.get(key)
        if line is not None:
            return line, len(key) + 2
        if self._prefixes is None:
            self._prefixes = _first_lines(self._lines)
        while key:
            line = self._prefixes.get(key)
            if line is not None:
                return line, 1
            key = key.rpartition(".")[0]
        return 1, 1


def _first_lines(lines: Mapping[str, int]) -> dict[str, int]:
    first: dict[str, int] = {}
    for key, line in lines.items():
        while key:
            if first.get(key, line + 1) <= line:
                break
            first[key] = line
            key = key.rpartition(".")[0]
    return first
