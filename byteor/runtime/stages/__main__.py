"""The page docs/built-in-stages.md, from the catalogue: ``python -m byteor.runtime.stages FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from byteor.runtime.stages.api import StageDef
from byteor.runtime.stages.built_in import built_in


def page() -> str:
    """Markdown of every built-in stage."""
    lines = [
        "# Built-in stages",
        "",
        "Generated from the catalogue. `byteor stages KEY` prints the same, and checks parameters.",
        "A stage of your own: [stages.md](stages.md). DataGuard in full: [dataguard.md](dataguard.md).",
        "",
        "| key | kind | runs | changes messages |",
        "|---|---|---|---|",
    ]
    stages = [built_in()[key] for key in sorted(built_in())]
    for stage in stages:
        runs = "in the kernel" if stage.native is not None else f"in Python, by {stage.shape}"
        lines.append(f"| [{stage.key}](#{stage.key}) | {stage.kind} | {runs} | {_yes(stage.writes)} |")
    for stage in stages:
        lines += ["", f"## {stage.key}", "", f"`{stage.usage}`", "", stage.doc, *_example(stage)]
    return "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _example(stage: StageDef) -> list[str]:
    if stage.example is None:
        return []
    given, gives = stage.example.given, stage.example.gives
    shown = [
        f"{one}  ->  {'(filtered)' if out is None else out}" for one, out in zip(given, gives, strict=True)
    ]
    return ["", "```", stage.example.key, *shown, "```"]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
