"""The table of ``byteor top`` as text. A function of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from byteor.acts.top import Pace
from byteor.cli.run_rows import supervisor_stopped

_HEAD = (
    f"  {'WORKER':<20} {'ROLE':<7} {'STATE':<9} {'IN/S':>12} {'OUT/S':>12} {'BUSY':>5} {'LAG':>9}"
    f" {'P99':>8} {'FILTERED':>10} {'DROPPED':>8} {'ERRORS':>7}"
)
BOLD, RED, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def table(runs: Sequence[tuple[Mapping[str, Any], Sequence[Pace]]], *, colour: bool) -> str:
    """A paragraph a run: its row of ``ps``, then a line a worker."""
    if not runs:
        return "no live runs"
    return "\n\n".join("\n".join(_run(row, workers, colour)) for row, workers in runs)


def _run(row: Mapping[str, Any], workers: Sequence[Pace], colour: bool) -> list[str]:
    head = (
        f"{row['run_id']}  {row['state']}  pid {row['pid']}  in {row['in']:,}  out {row['out']:,}"
        f"  dropped {row['dropped']:,}  errors {row['errors']:,}  {row['rate_per_s']:,.0f} msg/s"
    )
    return [
        f"{BOLD}{head}{PLAIN}" if colour else head,
        _HEAD,
        *(_worker(pace, colour) for pace in workers),
        *(_silence(pace, colour) for pace in workers if pace.state == "silent"),
        *supervisor_stopped(row),
        *(() if workers else ("  its regions cannot be read: removed? byteor drain still reaches it",)),
        *(_end(end, colour) for end in row.get("ends", ()) if not end["ok"]),
    ]


def _silence(pace: Pace, colour: bool) -> str:
    since = "" if pace.in_hand is None else f", since it was given message {pace.in_hand}"
    line = f"  {pace.name}: no sign of life for {pace.silent_s:.0f} s{since}"
    return f"{RED}{line}{PLAIN}" if colour else line


def _end(end: Mapping[str, Any], colour: bool) -> str:
    line = f"  {end['endpoint']}: {end['name']} is degraded: {end['detail']}"
    return f"{RED}{line}{PLAIN}" if colour else line


def _worker(pace: Pace, colour: bool) -> str:
    line = (
        f"  {pace.name[:20]:<20} {pace.role:<7} {pace.state:<9} {pace.in_per_s:>12,.0f}"
        f" {pace.out_per_s:>12,.0f} {pace.busy:>5.0%} {pace.lag:>9,} {duration(pace.p99_ns):>8}"
        f" {pace.filtered:>10,} {pace.dropped:>8,} {pace.errors:>7,}"
    )
    wrong = pace.errors or pace.state in ("failed", "silent", "dead")
    return f"{RED}{line}{PLAIN}" if colour and wrong else line


def duration(ns: int) -> str:
    """Nanoseconds in the unit that a person reads: ``850ns``, ``12µs``, ``3.4ms``, ``1.2s``."""
    if ns <= 0:
        return "-"
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= size:
            number = ns / size
            return f"{number:.1f}{unit}" if number < 10 else f"{number:.0f}{unit}"
    return f"{ns}ns"
