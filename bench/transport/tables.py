"""The tables of a run, as text that reads well in a terminal and in a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from bench.transport.shapes import CHAIN, DIAMOND, GATHER, PAIR, SIZE, SPREAD

Report = dict[str, Any]
# Our row that a peer's is set against: single calls, and for stages a Python function a message.
EQUAL = {
    PAIR: ("Events", "single"),
    CHAIN: ("SequencedSlots", "drive"),
    DIAMOND: ("SequencedSlots", "drive"),
    SPREAD: ("Fanout", "single"),
    GATHER: ("Events, MPSC", "single"),
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with columns that line up; figures to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    rights = [all(_figure(line[i]) for line in lines[1:]) for i in range(len(head))]

    def show(line: Sequence[str]) -> str:
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, rights, strict=True))
        return "| " + " | ".join(cells) + " |"

    rule = [("-" * (w - 1) + ":") if r else "-" * w for w, r in zip(widths, rights, strict=True)]
    return "\n".join([show(lines[0]), "| " + " | ".join(rule) + " |", *map(show, lines[1:])])


def _figure(text: str) -> bool:
    return text in ("", "-") or text.replace(".", "", 1).isdigit()


def find(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    """The row that was measured and has all these values."""
    for row in rows:
        if "failed" not in row and all(row.get(key) == value for key, value in wanted.items()):
            return row
    return None


def rate_of(rows: Sequence[dict[str, Any]], **wanted: Any) -> float | None:
    row = find(rows, **wanted)
    return None if row is None else float(row["rate"])


def millions(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate / 1e6:.0f}" if rate >= 1e8 else f"{rate / 1e6:.1f}" if rate >= 1e7 else f"{rate / 1e6:.3g}"


def ratio(a: float | None, b: float | None) -> str:
    if a is None or not b:
        return "-"
    return f"{a / b:.0f}" if a / b >= 20 else f"{a / b:.1f}" if a / b >= 2 else f"{a / b:.2f}"


def about(report: Report) -> str:
    m = report["machine"]
    where = f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, Python {m['python']}"
    how = f"{report['kernel']} kernel; medians of {report['rounds']} rounds in {report['seconds']} s"
    before, after = report["busy"]
    return f"{where}; others used {before:.0%} of it just before and {after:.0%} just after; {how}."


def sizes_of(report: Report) -> list[int]:
    return sorted({row["size"] for row in report["limit"] if row["shape"] == PAIR})


def our_sizes(report: Report) -> str:
    """Messages a second by size, and what part of plain C that is."""
    sizes = sizes_of(report)
    limits = {size: rate_of(report["limit"], shape=PAIR, size=size) for size in sizes}
    head = ["M messages/s", *(f"{size} B" for size in sizes), *(f"of C, {size} B" for size in sizes)]
    rows = [["plain C loop, same layout", *(millions(limits[size]) for size in sizes), *([""] * len(sizes))]]
    names = {
        "single": "a call a message",
        "list": "lists of 256",
        "buffer": "buffers of 256",
        "native": "buffers to a stage in C",
    }
    for calls, name in names.items():
        rates = {
            size: rate_of(
                report["ours"], lane="Events", shape=PAIR, calls=calls, size=size, where="processes"
            )
            for size in sizes
        }
        rows.append([name, *map(millions, rates.values()), *(ratio(rates[s], limits[s]) for s in sizes)])
    return table(head, rows)


def our_equal(report: Report, row: dict[str, Any]) -> float | None:
    """What ours does in the shape, size and kind of calls of a peer's row."""
    lane, calls = EQUAL[row["shape"]]
    if row["shape"] == PAIR:
        calls = row["calls"]
    wanted = {"lane": lane, "shape": row["shape"], "calls": calls, "size": row["size"], "where": row["where"]}
    return rate_of(report["ours"], **wanted)


def _peer_names(report: Report) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((row["peer"], row["calls"], row["where"]) for row in report["peers"]))


def peer_sizes(report: Report) -> str:
    """Peers by size, and how many times ours is ahead in the same kind of calls."""
    sizes = sizes_of(report)
    head = [
        "M messages/s, 1 to 1",
        *(f"{size} B" for size in sizes),
        *(f"ours x, {size} B" for size in sizes),
    ]
    rows = []
    for peer, calls, where in _peer_names(report):
        name = (
            peer + (", lists of 256" if calls == "list" else "") + (", threads" if where == "threads" else "")
        )
        found = [find(report["peers"], peer=peer, calls=calls, size=size, shape=PAIR) for size in sizes]
        rates = [None if row is None else float(row["rate"]) for row in found]
        ahead = ["-" if r is None else ratio(our_equal(report, r), r["rate"]) for r in found]
        rows.append([name, *map(millions, rates), *ahead])
    return table(head, rows)


def peer_shapes(report: Report) -> str:
    """Peers in the shapes that they can make, 64 bytes, a call a message."""
    shapes = (PAIR, CHAIN, DIAMOND, SPREAD, GATHER)
    head = ["M messages/s, 64 B", *shapes, *(f"ours x, {shape}" for shape in shapes)]
    mine = [
        our_equal(report, {"shape": s, "calls": "single", "size": SIZE, "where": "processes"}) for s in shapes
    ]
    rows = [["ours", *map(millions, mine), *([""] * len(shapes))]]
    for peer, calls, where in _peer_names(report):
        if calls != "single" or where != "processes":
            continue
        rates = [rate_of(report["peers"], peer=peer, calls=calls, size=SIZE, shape=s) for s in shapes]
        ahead = [ratio(ours, theirs) for ours, theirs in zip(mine, rates, strict=True)]
        rows.append([peer, *map(millions, rates), *ahead])
    return table(head, rows)


def our_lanes(report: Report, limits: bool = True) -> str:
    """All our rows of 64 bytes, and with ``limits`` those of plain C."""
    rows = []
    for row in report["ours"]:
        if row["size"] != SIZE:
            continue
        base = rate_of(report["limit"], shape=row["shape"], size=SIZE)
        if base is None and row["shape"] == GATHER:
            base = rate_of(report["limit"], shape=PAIR, size=SIZE)
        rate = row.get("rate")
        rows.append(
            [row["lane"], row["shape"], row["calls"], row["where"], millions(rate), ratio(rate, base)]
        )
    for row in report["limit"]:
        if limits and row["size"] == SIZE:
            rows.append(["plain C", row["shape"], "", "processes", millions(row.get("rate")), ""])
    return table(["lane", "shape", "calls", "between", "M messages/s", "of C in that shape"], rows)


def round_trips(report: Report) -> str:
    """There and back, sorted by the median."""
    found = [row for row in report["round_trips_ns"] if "failed" not in row]
    found.sort(key=lambda row: float(row["p50"]))
    rows = []
    for row in found:
        name = row["who"] + (f", {row['size']} B" if row.get("size", SIZE) != SIZE else "")
        rows.append([name, row["waits"], *(f"{row[q] / 1e3:.2f}" for q in ("p50", "p99", "p99.9"))])
    return table(["round trip, 64 B, us", "waits", "p50", "p99", "p99.9"], rows)


def left_out(report: Report) -> str:
    """What could not be measured, and why; a line each."""
    lines = [
        f"- {row.get('peer') or row.get('who') or row.get('lane')}, {row.get('shape', 'round trip')},"
        f" {row.get('size', SIZE)} B: {row['failed']}"
        for key in ("limit", "ours", "peers", "round_trips_ns")
        for row in report[key]
        if "failed" in row
    ]
    lines += [f"- {name}: {note}." for name, note in report["notes"].items()]
    return "\n".join(lines)


class Bar(NamedTuple):
    text: str
    wanted: str
    measured: str
    met: bool | None  # None: not measured


def bars(report: Report) -> list[Bar]:
    """What the transport has to reach, beside what it did."""
    native, chain = (rate_of(report["limit"], shape=shape, size=SIZE) for shape in (PAIR, CHAIN))

    def pair(calls: str) -> float | None:
        return rate_of(report["ours"], lane="Events", shape=PAIR, calls=calls, size=SIZE, where="processes")

    def peer(name: str) -> float | None:
        return rate_of(report["peers"], peer=name, shape=PAIR, calls="single", size=SIZE)

    def at_least(text: str, a: float | None, b: float | None, least: float, unit: str = "x") -> Bar:
        if a is None or not b:
            return Bar(text, f">= {least:g}{unit}", "not measured", None)
        return Bar(text, f">= {least:g}{unit}", f"{a / b:.3g}{unit}", a / b >= least)

    stages = rate_of(
        report["ours"], lane="SequencedSlots", shape=CHAIN, calls="native", where="processes", size=SIZE
    )
    twin = rate_of(report["ours"], lane="Events, pure twin", calls="single", size=SIZE)
    found = [
        at_least("buffers to a stage in C, of plain C", pair("native"), native, 0.85),
        at_least("buffers of 256, of plain C", pair("buffer"), native, 0.85),
        at_least("lists of 256, of plain C", pair("list"), native, 0.3),
        at_least("native chain of 3, of the C chain", stages, chain, 0.85),
        at_least("single calls, of Aeron's binding", pair("single"), peer("pyaeron"), 1.4),
        at_least("single calls, of multiprocessing.Pipe", pair("single"), peer("multiprocessing.Pipe"), 14),
        at_least("single calls, of multiprocessing.Queue", pair("single"), peer("multiprocessing.Queue"), 35),
        at_least("single calls of the pure twin, million a second", twin, 1e6, 1, ""),
    ]
    if "publish_ns" in report:
        over = report["publish_ns"]["publish"] - report["publish_ns"]["bare_loop"]
        found.append(Bar("one publish over the bare loop", "<= 15 ns", f"{over:.1f} ns", over <= 15))
        idle = report["idle_cpu"]["block"] * 100
        found.append(Bar("an idle blocked lane, of a processor", "< 0.5 %", f"{idle:.2f} %", idle < 0.5))
    return [*found, *_trip_bars(report), _ahead(report)]


def _trip_bars(report: Report) -> list[Bar]:
    trips = report["round_trips_ns"]
    mine, blocked, pipe = (
        find(trips, who=who, waits=waits, size=SIZE)
        for who, waits in (("ours", "spin"), ("ours", "block"), ("OS pipe", "blocks"))
    )
    others = [
        row
        for row in trips
        if "failed" not in row and row["who"].partition(",")[0] not in ("ours", "plain C")
    ]
    found = []
    if mine and others:
        best = min(others, key=lambda row: float(row["p50"]))
        part = mine["p50"] / best["p50"]
        text = f"round trip p50, of the best peer's ({best['who']})"
        found.append(Bar(text, "<= 0.65x", f"{part:.2f}x", part <= 0.65))
    if blocked and pipe:
        part = blocked["p50"] / pipe["p50"]
        found.append(Bar("blocking round trip p50, of an OS pipe's", "<= 1.3x", f"{part:.2f}x", part <= 1.3))
    return found


def behind(report: Report) -> list[str]:
    """Rows of peers that are not slower than ours in the same shape."""
    found = []
    for row in report["peers"]:
        mine = None if "failed" in row else our_equal(report, row)
        if mine is not None and mine <= row["rate"]:
            found.append(f"{row['peer']}, {row['shape']}, {row['size']} B, {row['calls']}, {row['where']}")
    return found


def _ahead(report: Report) -> Bar:
    measured = [row for row in report["peers"] if "failed" not in row and our_equal(report, row) is not None]
    slower = behind(report)
    text = "ahead of every peer in every row"
    if not measured:
        return Bar(text, "all", "not measured", None)
    told = f"{len(measured) - len(slower)} of {len(measured)} rows"
    return Bar(text, "all", told + "".join(f"; not: {one}" for one in slower), not slower)


def bars_table(report: Report) -> str:
    said = {True: "yes", False: "**no**", None: "?"}
    return table(
        ["bar", "wanted", "measured", "met"],
        [[bar.text, bar.wanted, bar.measured, said[bar.met]] for bar in bars(report)],
    )


def everything(report: Report) -> str:
    sections: list[tuple[str, Callable[[Report], str]]] = [
        ("Ours by size, process to process", our_sizes),
        ("Ours, every lane", our_lanes),
    ]
    if report["peers"]:
        sections += [
            ("Peers by size", peer_sizes),
            ("Peers by shape", peer_shapes),
            ("Round trips", round_trips),
            ("Left out, and notes", left_out),
            ("Bars", bars_table),
        ]
    return "\n\n".join([about(report), *(f"## {name}\n\n{make(report)}" for name, make in sections)])
