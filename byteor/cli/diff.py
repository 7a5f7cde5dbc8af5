"""``byteor diff``: what differs between two plans or specs, by structure."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byteor.cli.options import Json, Strict

if TYPE_CHECKING:
    from byteor.spec.diff import SpecDiff

_COLOURS = {"added": "32", "removed": "31", "changed": "33", "renamed": "36", "rewired": "35"}
_MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">", "rewired": "@"}


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="The old plan or spec.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The new plan or spec.")],
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Both canonical texts in columns.")
    ] = False,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Compare what A and B lower to. Exit 0 when they are the same spec, 1 when they differ."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.spec import load
    from byteor.spec.diff import diff

    found = diff(load(a, strict), load(b, strict))
    if json:
        emit_json("diff", diff_fields(found))
    elif side_by_side:
        emit_text("\n".join(_columns(found)))
    else:
        emit_text("\n".join(_lines(found)))
    return Exit.OK if found.same else Exit.CHECK_FAILED


def diff_fields(found: SpecDiff) -> dict[str, object]:
    """The comparison as ``--json`` gives it."""
    return {
        "same": found.same,
        "a": {"name": found.a.name, "spec_hash": found.a.spec_hash},
        "b": {"name": found.b.name, "spec_hash": found.b.spec_hash},
        "changes": [{"op": c.op, "path": c.path, "a": c.a, "b": c.b} for c in found.changes],
        "capabilities": {"gained": list(found.gained), "lost": list(found.lost)},
    }


def _colour(op: str, text: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[op]}m{text}\x1b[0m"


def _lines(found: SpecDiff) -> Iterator[str]:
    yield f"a  {found.a.name}  {found.a.spec_hash}"
    yield f"b  {found.b.name}  {found.b.spec_hash}"
    if found.same:
        yield "the same spec"
    for change in found.changes:
        values = {"added": f"{change.b}", "removed": f"{change.a}"}.get(
            change.op, f"{change.a} -> {change.b}"
        )
        yield _colour(change.op, f"{_MARKS[change.op]} {change.op:<8} {change.path}  {values}")
    if not found.same and not found.changes:
        yield "  only the order of the lists differs"
    for name in found.gained:
        yield _colour("removed", f"! gains capability {name}")
    for name in found.lost:
        yield _colour("added", f"! loses capability {name}")


def _columns(found: SpecDiff) -> Iterator[str]:
    """The canonical texts beside each other, as wide as the terminal."""
    import difflib

    left, right = (valid.canonical.decode("ascii").splitlines() for valid in (found.a, found.b))
    width = max(20, (shutil.get_terminal_size((120, 24)).columns - 3) // 2)
    for op, i, j, k, m in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        mark = {"equal": " ", "replace": "~", "delete": "-", "insert": "+"}[op]
        word = {"replace": "changed", "delete": "removed", "insert": "added"}.get(op)
        for row in range(max(j - i, m - k)):
            a = left[i + row] if i + row < j else ""
            b = right[k + row] if k + row < m else ""
            line = f"{a[:width]:<{width}} {mark} {b[:width]}".rstrip()
            yield line if word is None else _colour(word, line)
