"""The table of verbs. Help, completion and lazy imports come from it; a verb's module is imported on use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """``module`` holds a function ``command``, or a Typer ``app`` when the verb is a group of verbs."""

    name: str
    module: str
    panel: str
    group: bool = False


SPECS, RUNS, EVIDENCE, HOST = "Specs", "Runs", "Evidence", "This host"

VERBS = (
    Verb("validate", "byteor.cli.validate", SPECS),
    Verb("describe", "byteor.cli.describe", SPECS),
    Verb("fmt", "byteor.cli.fmt", SPECS),
    Verb("run", "byteor.cli.run", RUNS),
    Verb("ps", "byteor.cli.ps", RUNS),
    Verb("stop", "byteor.cli.stop", RUNS),
    Verb("gc", "byteor.cli.gc", RUNS),
    Verb("snapshot", "byteor.cli.snapshot", EVIDENCE),
    Verb("audit", "byteor.cli.audit", EVIDENCE, group=True),
    Verb("config", "byteor.cli.config", HOST, group=True),
)
