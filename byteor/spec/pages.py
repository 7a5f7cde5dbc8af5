"""The pages docs/spec/keys.md and codes.md, from the tables: ``python -m byteor.spec.pages docs/spec``."""

from __future__ import annotations

import sys
from pathlib import Path

from byteor.spec.codes import CODES
from byteor.spec.explain import explain
from byteor.spec.grammar import key_table

_TITLES = {
    "single_ring": "Spec, model single_ring",
    "lane_graph": "Spec, model lane_graph",
    "plan": "Plan",
}


def pages() -> dict[str, str]:
    """File name -> Markdown of every generated page."""
    return {"keys.md": _keys(), "codes.md": _codes()}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys() -> str:
    lines = ["# Keys", "", "Generated from the table of fields. `N` and `K` are indexes from 0.", ""]
    rows = key_table()
    for document, title in _TITLES.items():
        lines += [f"## {title}", "", "| key | values | meaning |", "|---|---|---|"]
        lines += [
            f"| `{row['key']}` | {_cell(row['values'])} | {_cell(row['doc'])} |"
            for row in rows
            if row["document"] == document
        ]
        lines.append("")
    return "\n".join(lines)


def _codes() -> str:
    lines = ["# Codes", "", "Generated from the table of codes. `byteor explain CODE` prints the same.", ""]
    for code in CODES:
        found = explain(code)
        assert found is not None
        lines += [f"## {code}", "", f"{found['category']}. Rule: {found['rule']}."]
        if found["hint"]:
            lines += ["", f"What to do: {found['hint']}."]
        for word in ("wrong", "right"):
            if found[word]:
                lines += ["", f"{word.capitalize()}:", "", "```", *map(ascii_only, found[word]), "```"]
        lines.append("")
    return "\n".join(lines)


def ascii_only(text: str) -> str:
    """``text`` with every other character written as an escape."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
