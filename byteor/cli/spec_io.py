"""What the spec verbs share: check a file without stopping at the first fault, and print findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byteor.cli.output import json_text, shown_text
from byteor.spec.document import read_document
from byteor.spec.errors import SpecError
from byteor.spec.finding import Finding
from byteor.spec.validate import CompileReport, check_document


def check_file(path: str, *, strict: bool = False) -> CompileReport:
    """The report on ``path``; a file that cannot be read is a finding like any other."""
    try:
        return check_document(read_document(path, strict=strict))
    except SpecError as error:
        return CompileReport(None, None, error.findings)


def finding_fields(finding: Finding) -> dict[str, Any]:
    """``finding`` as the JSON output of every verb gives it."""
    where, hint, value = finding.where, finding.hint, finding.value
    return {
        "severity": finding.severity,
        "code": finding.code,
        "category": finding.category,
        "message": json_text(finding.message),
        "hint": hint if hint is None else json_text(hint),
        "line": where.line,
        "column": where.column,
        "key": where.key if where.key is None else json_text(where.key),
        "value": value if value is None else json_text(value),
    }


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """``findings`` for a person: place, code, message, and what to do."""
    lines = []
    for finding in findings:
        where = finding.where
        place = ":".join(str(part) for part in (where.file, where.line, where.column) if part is not None)
        key = f" {where.key}:" if where.key else ""
        lines.append(f"{place}: {finding.severity}[{finding.code}]{key} {finding.message}".lstrip(": "))
        if finding.hint:
            lines.append(f"    do: {finding.hint}")
    return [shown_text(line) for line in lines]  # keys, values and names are the author's, who may be anyone
