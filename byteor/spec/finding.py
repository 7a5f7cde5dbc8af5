"""One thing that is wrong, or doubtful, in a document; and the list that collects them within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from byteor.errors import Where
from byteor.spec.codes import CODES

# A 16 MiB file can hold millions of errors; nobody reads past these, and memory stays bounded.
MAX_FINDINGS = 1000


class Finding(msgspec.Struct, frozen=True):
    """``severity`` is error or warning, ``category`` the family of the rule, ``value`` the text that
    broke it."""

    severity: str
    code: str
    category: str
    message: str
    hint: str | None
    where: Where
    value: str | None = None


class Findings:
    """Collects findings of one document. Past ``MAX_FINDINGS`` they are only counted."""

    def __init__(self, file: str | None = None) -> None:
        self.file = file
        self._found: list[Finding] = []
        self._keys: set[str] = set()
        self._errors = 0
        self._more = 0

    def add(
        self,
        code: str,
        message: str,
        *,
        key: str | None = None,
        line: int | None = None,
        column: int | None = None,
        value: str | None = None,
        hint: str | None = None,
        category: str | None = None,
    ) -> None:
        """Report ``code`` (a row of ``CODES``); hint and category come from its row when not given."""
        row = CODES[code]
        is_error = not code.startswith("W_")
        self._errors += is_error
        if key is not None and is_error:
            self._keys.add(key)
        if len(self._found) >= MAX_FINDINGS:
            self._more += 1
            return
        where = Where(file=self.file, line=line, column=column, key=key)
        severity = "error" if is_error else "warning"
        shown = value if value is None or len(value) <= 200 else value[:200] + "..."
        self._found.append(
            Finding(severity, code, category or row.category, message, hint or row.hint or None, where, shown)
        )

    @property
    def errors(self) -> int:
        """How many errors were reported, also those beyond the bound."""
        return self._errors

    @property
    def full(self) -> bool:
        """Whether a further finding is only counted, so that no work on its words is worth while."""
        return len(self._found) >= MAX_FINDINGS

    def has(self, key: str) -> bool:
        """Whether an error was already reported on ``key``."""
        return key in self._keys

    def keys(self) -> frozenset[str]:
        """The keys that an error was reported on so far."""
        return frozenset(self._keys)

    @property
    def dropped(self) -> int:
        """How many findings were counted but not kept."""
        return self._more

    def extend(self, findings: Iterable[Finding], errors: int, dropped: int) -> None:
        """Take over what an earlier phase found, with its counts of errors and of what it did not keep."""
        self._more += dropped
        for finding in findings:
            if finding.code == "E_TOO_MANY_FINDINGS":
                continue
            self._found.append(finding)
            if finding.where.key is not None and finding.severity == "error":
                self._keys.add(finding.where.key)
        self._errors += errors

    def __iter__(self) -> Iterator[Finding]:
        yield from self._found
        if self._more:
            where = Where(file=self.file)
            message = f"{self._more} more findings are not shown"
            row = CODES["E_TOO_MANY_FINDINGS"]
            severity = "error" if self._errors else "warning"
            yield Finding(severity, "E_TOO_MANY_FINDINGS", row.category, message, row.hint, where)

    def __len__(self) -> int:
        return len(self._found) + (1 if self._more else 0)
