"""Every stable code that is not of the spec layer: a table per layer, which ``byteor explain`` reads.

The layers raise their codes; what a person is told about them is told here, on top, so that no layer imports
another for it. Rules and hints that a layer keeps in a table of its own come from there.
"""

from __future__ import annotations

from typing import Any

from byteor.cli.codes.row import Row


def rows() -> list[Row]:
    """All rows. A code may have one in several layers, where it means something else."""
    from byteor.cli.codes import (
        actions,
        audit,
        command_line,
        edge,
        governance,
        incident,
        operations,
        run,
        transport,
    )

    tables = (transport, run, operations, edge, governance, actions, audit, command_line, incident)
    return [row for table in tables for row in table.ROWS]


def explain_row(row: Row) -> dict[str, Any]:
    """A row in the form of ``byteor.spec.explain.explain``."""
    return {
        "code": row.code,
        "category": row.layer,
        "severity": "warning" if row.code.startswith("W_") else "error",
        "rule": row.rule,
        "hint": row.hint,
        "wrong": row.wrong.splitlines(),
        "right": row.right.splitlines(),
    }
