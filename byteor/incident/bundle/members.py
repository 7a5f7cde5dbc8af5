"""What a bundle may hold and how much: one table for the writer, the reader and the docs."""

from __future__ import annotations

import re
from typing import Final

MANIFEST, SIGNATURE = "manifest.json", "manifest.dsse"
SPEC, CAPTURE, TIMELINE, INCIDENT = "spec.kv", "capture.json", "timeline.json", "incident.json"
RING_STATE, GRAPH_STATE = "single_ring_snapshot.json", "lane_graph_state.json"
REPLAY_AUDIT, CONFIG, CONSOLE = "replay_audit.json", "runtime_config.txt", "console.jsonl"
VALIDATION, RUNTIME, POLICY, ENVIRONMENT = (
    "spec_validation.json",
    "runtime.json",
    "policy_audit.json",
    "environment.json",
)

REQUIRED: Final = frozenset({SPEC, VALIDATION, RUNTIME, POLICY, ENVIRONMENT})
OPTIONAL: Final = frozenset(
    {CONFIG, RING_STATE, GRAPH_STATE, CAPTURE, TIMELINE, INCIDENT, REPLAY_AUDIT, CONSOLE}
)
UNLISTED: Final = frozenset({MANIFEST, SIGNATURE})  # a manifest cannot list itself
FOLDERS: Final = {
    "journal": re.compile(r"[0-9]{20}\.journal"),
    "approvals": re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(json|dsse|cred)"),
}

MEMBER_BYTES: Final = 64 << 20
TOTAL_BYTES: Final = 256 << 20
JSON_BYTES: Final = 16 << 20  # of all JSON members together: they are parsed
RATIO: Final = 100
DEPTH: Final = 64
MEMBERS: Final = 256


def allowed(name: str) -> bool:
    """Whether a member may have this name. Every allowed name is plain lower-case ASCII without a detour, so
    that no twin by case or Unicode form, no absolute and no parent path is one.
    """
    if name in REQUIRED | OPTIONAL | UNLISTED:
        return True
    folder, slash, file = name.partition("/")
    return bool(slash) and folder in FOLDERS and FOLDERS[folder].fullmatch(file) is not None


def is_json(name: str) -> bool:
    """Whether the member is a JSON document, bounded in depth."""
    return name.endswith((".json", ".dsse"))
