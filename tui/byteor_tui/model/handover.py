"""The note for the next shift, from what is on the screen: alerts, incidents, requests with clocks, marks."""

from __future__ import annotations

from byteor_tui.model.text import age, count, wall_clock
from byteor_tui.model.view import Moment, View

SECOND_NS = 1_000_000_000


def handover_lines(view: View, moments: tuple[Moment, ...]) -> list[str]:
    """One matter a line, each readable by itself; of ``moments`` the marks."""
    now = view.now_unix_ns
    lines = [f"Handover {wall_clock(now)}"]
    frame = view.frame
    if frame is not None:
        rate = f"{count(frame.rate_per_s)}/s" if frame.rate_per_s is not None else "no rate"
        lines.append(f"run {frame.run_id}: {frame.state}, {rate}, errors {frame.errors}")
        lines += [
            f"alert since {wall_clock(need.since_unix_ns)}: {need.subject}: {need.text}"
            for need in frame.needs
        ]
    for row in view.evidence.approvals.rows:
        if row.state in {"pending", "approved"}:
            left = age((row.ends() - now // SECOND_NS) * SECOND_NS)
            asked = f"{row.action} in {row.env}, {left} left, {row.requester}: {row.reason}"
            lines.append(f"{row.state} {row.short}: {asked}")
    for one in view.evidence.incidents.rows:
        if one.state not in {"closed", "explained"}:
            lines.append(f"incident {one.id} {one.state}: {one.title}")
    lines += [f"frozen {one.name}: {one.frozen}" for one in view.evidence.environments if one.frozen]
    lines += [f"mark {wall_clock(mark.at_unix_ns)}: {mark.text}" for mark in moments if mark.sign == "m"]
    if len(lines) == 1:
        lines.append("nothing is open")
    return lines
