"""A and B: how figures differ from the pinned moment. Values in, lines out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from byteor_tui.model.frame import Frame, StageRow
from byteor_tui.model.text import count, milliseconds, wall_clock
from byteor_tui.screens.text_lines import title
from byteor_tui.tones import Line, Tone

STEADY = 0.05  # a smaller change is none


def row_of(frame: Frame, name: str) -> StageRow | None:
    return next((row for row in frame.rows if row.name == name), None)


def share(before: float, now: float) -> str:
    """The change in percent with its sign; ``=`` when it is within five; ``new`` from nothing."""
    if before <= 0:
        return "=" if now <= 0 else "new"
    change = (now - before) / before
    return "=" if abs(change) < STEADY else f"{100 * change:+.0f} %"


FIGURES: tuple[tuple[str, Callable[[StageRow], float]], ...] = (
    ("rate", lambda row: row.rate_per_s or 0.0),
    ("lag", lambda row: float(row.lag)),
    ("p50", lambda row: float(row.p50_ns)),
    ("p99", lambda row: float(row.p99_ns)),
    ("errors", lambda row: float(row.errors)),
    ("busy", lambda row: 100 * (row.busy_share or 0.0)),
)


def noted(now: StageRow, pinned: Frame) -> StageRow:
    """``now`` with the difference of every figure from the pinned moment."""
    before = row_of(pinned, now.name)
    if before is None:
        return msgspec.structs.replace(now, against=("new",) * len(FIGURES))
    return msgspec.structs.replace(
        now, against=tuple(share(figure(before), figure(now)) for _, figure in FIGURES)
    )


def of_run(now: Frame, pinned: Frame) -> tuple[str, str]:
    """The same of the run's rate and p99."""
    return share(pinned.rate_per_s or 0.0, now.rate_per_s or 0.0), share(pinned.p99_ns, now.p99_ns)


def compared_row(now: StageRow, pinned: Frame, width: int) -> list[Line]:
    """A, B and the difference of every figure of a stage."""
    before = row_of(pinned, now.name)
    lines: list[Line] = [(), title(f"A {wall_clock(pinned.taken_unix_ns)} against now")]
    if before is None:
        return [*lines, ((" it was not there at A", Tone.WARN),)]
    figures: tuple[tuple[str, float, float, Callable[[float], str]], ...] = (
        ("rate/s", before.rate_per_s or 0.0, now.rate_per_s or 0.0, count),
        ("lag", float(before.lag), float(now.lag), count),
        ("p50 ms", float(before.p50_ns), float(now.p50_ns), _ms),
        ("p99 ms", float(before.p99_ns), float(now.p99_ns), _ms),
        ("errors", float(before.errors), float(now.errors), count),
        ("in", float(before.messages_in), float(now.messages_in), count),
        ("out", float(before.messages_out), float(now.messages_out), count),
        ("busy %", 100 * (before.busy_share or 0.0), 100 * (now.busy_share or 0.0), count),
    )
    for name, a, b, show in figures:
        said = share(a, b)
        tone = Tone.DIM if said == "=" else Tone.WARN
        lines.append(
            ((f" {name:<10} ", Tone.DIM), (f"{show(a):>8} -> {show(b):>8}  ", Tone.PLAIN), (said, tone))
        )
    return lines


def _ms(ns: float) -> str:
    return milliseconds(int(ns))
