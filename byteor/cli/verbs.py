"""The table of verbs. Help, completion and lazy imports come from it; a verb's module is imported on use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """``module`` holds a function ``command``, or a Typer ``app`` when the verb is a group of verbs.

    ``settings``: settings files come into force before it starts. Verbs about documents do without.
    """

    name: str
    module: str
    panel: str
    group: bool = False
    settings: bool = False


SPECS, RUNS, EVIDENCE, HOST = "Specs", "Runs", "Evidence", "This host"
GOVERNANCE = "Governance"

VERBS = (
    Verb("validate", "byteor.cli.validate", SPECS),
    Verb("describe", "byteor.cli.describe", SPECS),
    Verb("fmt", "byteor.cli.fmt", SPECS),
    Verb("compile", "byteor.cli.compile", SPECS),
    Verb("hash", "byteor.cli.hash", SPECS),
    Verb("dot", "byteor.cli.dot", SPECS),
    Verb("diff", "byteor.cli.diff", SPECS),
    Verb("capabilities", "byteor.cli.capabilities", SPECS),
    Verb("stages", "byteor.cli.stages", SPECS),
    Verb("compatibility", "byteor.cli.compatibility", SPECS),
    Verb("explain", "byteor.cli.explain", SPECS),
    Verb("schema", "byteor.cli.schema", SPECS),
    Verb("watch", "byteor.cli.watch", SPECS),
    Verb("run", "byteor.cli.run", RUNS, settings=True),
    Verb("ps", "byteor.cli.ps", RUNS, settings=True),
    Verb("top", "byteor.cli.top", RUNS, settings=True),
    Verb("logs", "byteor.cli.logs", RUNS, settings=True),
    Verb("drain", "byteor.cli.drain", RUNS, settings=True),
    Verb("stop", "byteor.cli.stop", RUNS, settings=True),
    Verb("metrics", "byteor.cli.metrics", RUNS, settings=True),
    Verb("edge", "byteor.cli.edge", RUNS, group=True),
    Verb("gc", "byteor.cli.gc", RUNS, settings=True),
    Verb("snapshot", "byteor.cli.snapshot", EVIDENCE, settings=True),
    Verb("region", "byteor.cli.region", EVIDENCE, group=True, settings=True),
    Verb("journal", "byteor.cli.journal", EVIDENCE, group=True, settings=True),
    Verb("incident-bundle", "byteor.cli.incident_bundle", EVIDENCE, settings=True),
    Verb("bundle", "byteor.cli.bundle", EVIDENCE, group=True, settings=True),
    Verb("replay", "byteor.cli.replay", EVIDENCE, settings=True),
    Verb("incident", "byteor.cli.incident", EVIDENCE, group=True, settings=True),
    Verb("determinism", "byteor.cli.determinism", EVIDENCE, group=True, settings=True),
    Verb("note", "byteor.cli.note", EVIDENCE, settings=True),
    Verb("audit", "byteor.cli.audit", EVIDENCE, group=True, settings=True),
    Verb("policy", "byteor.cli.policy", GOVERNANCE, group=True, settings=True),
    Verb("env", "byteor.cli.env", GOVERNANCE, group=True, settings=True),
    Verb("key", "byteor.cli.key", GOVERNANCE, group=True, settings=True),
    Verb("approval", "byteor.cli.approval", GOVERNANCE, group=True, settings=True),
    Verb("freeze", "byteor.cli.freeze", GOVERNANCE, settings=True),
    Verb("unfreeze", "byteor.cli.unfreeze", GOVERNANCE, settings=True),
    Verb("doctor", "byteor.cli.doctor", HOST, settings=True),
    Verb("config", "byteor.cli.config", HOST, group=True),
)
