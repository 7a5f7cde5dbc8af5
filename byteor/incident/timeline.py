"""One clock over an incident: audit entries, run events, snapshots, replays, in order of time."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from byteor.incident.record import Entry

MOST_EVENTS = 20_000  # of a bundle's timeline; the newest


class TimelineEvent(msgspec.Struct, frozen=True):
    """One thing that happened. ``kind``: run, audit, capture, incident, replay, approval..."""

    ts_unix_ns: int
    kind: str
    what: str
    detail: str = ""
    actor: str = ""
    seq: int | None = None


_KINDS = (
    ("run_", "run"),
    ("incident_", "incident"),
    ("replay_", "replay"),
    ("snapshot_", "snapshot"),
    ("bundle_", "incident"),
    ("approval_", "approval"),
    ("action_", "action"),
)
_SHOWN = (
    "title", "text", "state", "reason", "kind", "value", "cause", "decision", "rule", "code", "error",
    "stage", "verdict", "path", "in", "out", "dropped", "errors", "first_failure",
)  # fmt: skip


def events_of_entries(entries: Iterable[Entry]) -> list[TimelineEvent]:
    """Audit entries as events."""
    return [
        TimelineEvent(
            entry.ts_unix_ns,
            next((kind for prefix, kind in _KINDS if entry.action.startswith(prefix)), "audit"),
            entry.action,
            _detail(entry.body or {}),
            entry.actor,
            entry.seq,
        )
        for entry in entries
    ]


def merged(*tracks: Iterable[TimelineEvent]) -> list[TimelineEvent]:
    """All events of ``tracks`` on one clock; of the same moment, in the order of the tracks."""
    return sorted((event for track in tracks for event in track), key=lambda event: event.ts_unix_ns)


def timeline_document(events: Sequence[TimelineEvent], **facts: object) -> bytes:
    """``timeline.json``. Nanoseconds are decimal strings: they pass 2^53."""
    rows = [
        {**msgspec.to_builtins(event), "ts_unix_ns": str(event.ts_unix_ns), "at": rfc3339(event.ts_unix_ns)}
        for event in events[-MOST_EVENTS:]
    ]
    return msgspec.json.format(msgspec.json.encode({"v": 1, **facts, "events": rows}))


def timeline_text(events: Sequence[TimelineEvent]) -> str:
    """One line an event, with the time since the first."""
    if not events:
        return "nothing happened"
    first = events[0].ts_unix_ns
    lines = []
    for event in events:
        since = (event.ts_unix_ns - first) / 1e9
        detail = f"  {event.detail}" if event.detail else ""
        lines.append(f"{rfc3339(event.ts_unix_ns)}  +{since:10.3f} s  {event.kind:9} {event.what}{detail}")
    return "\n".join(lines)


def timeline_html(title: str, events: Sequence[TimelineEvent], facts: Mapping[str, str]) -> str:
    """A page that needs nothing but itself: no script, no font, no picture from elsewhere."""
    rows = "\n".join(
        f'<tr class="{html.escape(event.kind)}"><td>{rfc3339(event.ts_unix_ns)}</td>'
        f"<td>{(event.ts_unix_ns - events[0].ts_unix_ns) / 1e9:.3f}</td><td>{html.escape(event.kind)}</td>"
        f"<td>{html.escape(event.what)}</td><td>{html.escape(event.detail)}</td>"
        f"<td>{html.escape(event.actor)}</td></tr>"
        for event in events
    )
    named = "\n".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items()
    )
    return _PAGE.format(title=html.escape(title), facts=named, rows=rows)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.3rem }} dl {{ display: grid; grid-template-columns: 10rem 1fr; gap: .2rem 1rem }}
dt {{ color: #666 }} dd {{ margin: 0; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .25rem .6rem;
border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere }}
td:first-child, td:nth-child(2) {{ font: 12px ui-monospace, monospace; white-space: nowrap }}
tr.incident td:nth-child(3) {{ font-weight: 600 }}
@media (prefers-color-scheme: dark) {{
body {{ background: #16181c; color: #ddd }} td, th {{ border-color: #333 }} }}
</style></head><body>
<h1>{title}</h1>
<dl>
{facts}
</dl>
<table><thead>
<tr><th>time (UTC)</th><th>s</th><th>kind</th><th>what</th><th>detail</th><th>by</th></tr></thead>
<tbody>
{rows}
</tbody></table>
</body></html>
"""


def rfc3339(unix_ns: int) -> str:
    """UTC with microseconds and ``Z``."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def _detail(body: Mapping[str, Any]) -> str:
    parts = []
    for key in _SHOWN:
        value = body.get(key)
        if isinstance(value, dict):
            value = value.get("error") or value.get("code")
        if value not in (None, ""):
            parts.append(f"{key}: {value}")
    return ", ".join(parts)[:500]
