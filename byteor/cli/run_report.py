"""How a finished ``byteor run`` is told: the JSON document, a summary for a person, the exit code."""

from __future__ import annotations

from typing import Any

import msgspec

from byteor.acts.run import EndedRun
from byteor.errors import Exit
from byteor.runtime.signals import exit_after


def document(ended: EndedRun) -> dict[str, Any]:
    """The fields of ``byteor.run/v1``."""
    fields: dict[str, Any] = msgspec.to_builtins(ended.result)
    fields["kernel"] = ended.kernel
    fields["audit_seq"] = ended.audit_seq
    fields["incident_id"] = ended.incident_id
    fields["not_captured"] = ended.not_captured
    fields["notes"] = ended.notes
    return fields


def summary(ended: EndedRun) -> str:
    """Two or three lines for the person at the terminal."""
    result = ended.result
    lines = [
        f"{result.run_id}: {result.state} after {result.duration_ns / 1e9:.2f} s",
        f"  in {result.messages_in:,}  out {result.messages_out:,}  filtered {result.filtered:,}"
        f"  dropped {result.dropped:,}  errors {result.errors:,}  {result.messages_per_s:,.0f} msg/s",
    ]
    lines += [f"  {note}" for note in ended.notes]
    if result.stuck:
        culprit, *others = result.stuck
        told = f"{culprit} did not finish in time" + (f"; nor did {', '.join(others)}" if others else "")
        lines.append(f"  error[E_DRAIN_TIMEOUT]: {told}")
    if result.set_aside:
        lines.append(f"  {result.set_aside:,} messages were set aside in the dead letters")
    if result.unfinished:
        lines.append(f"  {result.unfinished:,} messages were taken from the source and went nowhere")
    if ended.not_captured:
        lines.append(
            f"  {ended.not_captured:,} messages that came or left were not captured: no room on the disk"
        )
    failure = result.first_failure
    if failure is not None:
        place = "" if failure.sequence is None else f" at sequence {failure.sequence}"
        lines.append(f"  error[{failure.code}]: {failure.stage} failed first{place}: {failure.error}")
        if failure.digest:
            lines.append(f"  payload {failure.digest}")
        lines.append(f"  do: byteor snapshot {result.run_id} shows its lanes; byteor gc removes them")
    if ended.incident_id is not None:
        lines.append(f"  bundled as {ended.incident_id}; do: byteor replay {ended.incident_id}")
    return "\n".join(lines)


def exit_code(ended: EndedRun) -> Exit:
    """11 failed; 10 when draining took too long; 130 or 143 after a signal; else 0."""
    if ended.result.state == "failed":
        return Exit.RUNTIME
    if ended.result.stuck:
        return Exit.TIMEOUT
    if ended.signal is not None:
        return exit_after(ended.signal)
    return Exit.OK
