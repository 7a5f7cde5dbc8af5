"""A stage in depth, in parts that can stand beside those of other stages."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from byteor_tui.glyphs import Glyphs, bar
from byteor_tui.model.frame import Frame, Mark, RingFill, StageRow
from byteor_tui.model.text import count, milliseconds, percent
from byteor_tui.model.view import View
from byteor_tui.screens import overview_lines as overview
from byteor_tui.screens.delta import compared_row
from byteor_tui.screens.text_lines import field, title
from byteor_tui.tones import Line, Tone, fit, span_width

CHART = 8
BUCKETS = 8
LEAST, GAP = 38, 2  # what a histogram's row needs, and between two stages

Parts = list[list[Line]]


def parts(one: StageRow, frame: Frame, view: View, width: int) -> Parts:
    """Figures with place in the graph and gate; then the last minute: rate, p99, latencies."""
    glyphs = view.glyphs
    lines = [*overview.detail_figures(one, width)]
    before, after = view.specs.topology.before(one.name), view.specs.topology.after(one.name)
    if before or after:
        lines += field("takes from", ", ".join(before) or "-", width)
        lines += field("hands to", ", ".join(after) or "-", width)
    for ring in rings_of(one, frame):
        lines += gate(one, ring, width, glyphs)
    if one.mark is not Mark.NONE:
        lines += field("needs you", one.note or one.state, width, Tone.ALARM)
    if view.pinned is not None:
        lines += compared_row(one, view.pinned, width)
    seconds = f"{overview.chart_seconds(width)} s"
    found = [
        lines,
        [title(f"messages/s, {seconds}"), *overview.chart_lines(one.trend, width, CHART, glyphs, count)],
        [],
        [],
    ]
    if any(one.trend_p99):
        charted = overview.chart_lines(one.trend_p99, width, CHART, glyphs, overview.chart_ms)
        found[2] = [title(f"p99 in ms, {seconds}"), *charted]
    if any(one.histogram):
        found[3] = [title("latency since the start, up to"), *histogram(one.histogram, width, glyphs)]
    return found


def flat(found: Parts) -> list[Line]:
    """The parts under each other, an empty line between them."""
    lines = [line for part in found if part for line in (*part, ())]
    return lines[:-1]


def titled(one: StageRow, frame: Frame, view: View, width: int, *, chosen: bool = False) -> Parts:
    """The same under the stage's name; ``chosen`` is under the list's cursor."""
    head, *rest = parts(one, frame, view, width)
    cursor = view.glyphs.cursor if chosen else " "
    return [[((f"{cursor}{one.name}  {one.state}", Tone.KEY),), *head], *rest]


def columns(width: int, stages: int) -> int:
    """How many of ``stages`` have room beside each other."""
    return max(1, min(stages, (width + GAP) // (LEAST + GAP)))


def abreast(blocks: Sequence[Parts], size: int) -> list[Line]:
    """Blocks side by side in ``size`` cells each; the same part of all begins in one line."""
    lines: list[Line] = []
    for part in zip(*blocks, strict=True):
        tallest = max(map(len, part))
        for index in range(tallest):
            cells = [fit(one[index] if index < len(one) else (), size) for one in part]
            lines.append(tuple(span for cell in cells for span in (*cell, (" " * GAP, Tone.PLAIN)))[:-1])
        if tallest:
            lines.append(())
    return lines


def histogram(counts: tuple[int, ...], width: int, glyphs: Glyphs) -> list[Line]:
    """Latencies by powers of two, a bar a bucket; of more than eight buckets the slowest, the rest as one."""
    known = [bits for bits, number in enumerate(counts) if number]
    shown = range(max(known[0], known[-1] - BUCKETS + 1), known[-1] + 1)
    rows = [(bits, counts[bits]) for bits in shown]
    rows[0] = (rows[0][0], sum(counts[: rows[0][0] + 1]))
    most, total = max(number for _, number in rows), sum(counts)
    room = max(8, min(40, width - 30))
    return [
        (
            (f" {milliseconds((1 << bits) - 1):>9} ms ", Tone.DIM),
            (bar(number, most, room, glyphs) if number else " " * room, Tone.TREND),
            (f" {count(number):>7} {percent(number, total):>5}", Tone.PLAIN),
        )
        for bits, number in rows
    ]


def rings_of(one: StageRow, frame: Frame) -> list[RingFill]:
    """A ring is everybody's; of a graph's lanes those that it gates."""
    return [ring for ring in frame.rings if ring.kind == "ring" or ring.slowest == one.name]


def gate(one: StageRow, ring: RingFill, width: int, glyphs: Glyphs) -> list[Line]:
    """How far behind it is in the ring, and whether everybody waits for it."""
    share = percent(one.lag, ring.capacity)
    cells = bar(min(one.lag, ring.capacity), ring.capacity, max(8, min(30, width - 46)), glyphs)
    filled: Line = (
        (f" {'lag':<10} ", Tone.DIM),
        (cells, Tone.WARN if one.lag > 0.9 * ring.capacity else Tone.TREND),
        (f" {share:>5}", Tone.PLAIN),
    )
    behind = f"{count(one.lag)} behind, {ring.name}"
    if span_width(filled) + 2 + cell_len(behind) <= width:
        lines: list[Line] = [(*filled, (f"  {behind}", Tone.PLAIN))]
    else:
        lines = [filled, *field("", behind, width)]
    if ring.slowest == one.name:
        lines += field(
            "gate", "it is the min gate: everybody waits for it when the ring is full", width, Tone.WARN
        )
    elif ring.slowest:
        lines += field("gate", f"min gate is {ring.slowest}", width)
    return lines
