"""What ``byteor doctor`` printed, and what it kept of earlier runs and of other hosts, as values."""

from __future__ import annotations

import time

from byteor.acts.doctor_kept import Result, host_name, kept
from byteor_tui.model.evidence import Check, Checks, Past
from byteor_tui.model.text import clean


def checks_of(document: dict[str, object]) -> Checks:
    """The document of ``byteor doctor --json`` with the results that were kept before it."""
    rows, at, facts = document.get("checks"), document.get("at_unix_ns"), document.get("facts")
    checks = tuple(
        Check(*(clean(str(row.get(name, ""))) for name in ("id", "status", "detail", "fix")))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    )
    return Checks(
        checks,
        at if isinstance(at, int) else time.time_ns(),
        error="" if checks else clean(str(document.get("message", "byteor doctor said nothing"))),
        before=tuple(past_of(one) for one in kept() if one.at_unix_ns != at),
        host=host_name(),
        profile=clean(str(document.get("profile", "default"))),
        facts=_facts(facts if isinstance(facts, dict) else {}),
    )


def past_of(one: Result) -> Past:
    rows = (Check(*map(clean, (check.id, check.status, check.detail, check.fix))) for check in one.checks)
    return Past(clean(one.host), one.at_unix_ns, clean(one.profile), tuple(rows), _facts(one.facts))


def _facts(found: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((clean(str(name)), clean(str(said))) for name, said in found.items())
