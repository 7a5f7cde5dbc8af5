"""The page docs/codes.md, from the tables of codes: ``python -m byteor.cli.codes docs/codes.md``."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from byteor.cli.codes import rows


def page() -> str:
    """Markdown of every code that is not of the spec layer."""
    lines = [
        "# Codes of the other layers",
        "",
        "Generated from the tables of codes. `byteor explain CODE` prints the same.",
        "Codes about plans and specs: [spec/codes.md](spec/codes.md).",
        "",
    ]
    for layer, found in groupby(rows(), key=lambda row: row.layer):
        lines += [f"## {layer.capitalize()}", ""]
        for row in found:
            lines += [f"### {row.code}", "", f"Rule: {row.rule}.", "", f"What to do: {row.hint}.", ""]
            lines += ["Wrong:", "", "```", row.wrong, "```", "", "Right:", "", "```", row.right, "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
