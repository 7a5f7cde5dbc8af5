"""The tables of a run of whole pipelines."""

from __future__ import annotations

from typing import Any

from bench.transport.tables import Bar, millions, ratio, table
from bench.transport.tables import about as about_run

Report = dict[str, Any]
TRANSPORT = "the transport alone, native chain of 3"
NATIVE = "ring, 3 native stages in a chain"
# Our row that a peer's is set against, by its calls and stages.
EQUAL = {
    ("message", 1): "ring, a Python stage a message",
    ("message", 3): "ring, 3 Python stages a message",
    ("batch", 1): "ring, a Python stage a batch",
    ("batch", 3): "ring, 3 Python stages a batch",
}


def rate(report: Report, name: str) -> float | None:
    for row in report["rows"]:
        if row["name"] == name and row["who"] != "peer" and "failed" not in row:
            return float(row["rate"])
    return None


def ours(report: Report) -> str:
    base = rate(report, TRANSPORT)
    lines = [
        [row["name"], millions(row.get("rate")), ratio(row.get("rate"), base)]
        for row in report["rows"]
        if row["who"] != "peer"
    ]
    return table(["64-byte messages, `byteor run`", "M messages/s", "of the transport's chain"], lines)


def peers(report: Report) -> str:
    lines = []
    for row in report["rows"]:
        if row["who"] == "peer":
            mine = rate(report, EQUAL[row["calls"], row["stages"]])
            lines.append(
                [row["name"], str(row["stages"]), row["calls"], millions(row.get("rate")), millions(mine),
                 ratio(mine, row.get("rate"))]
            )  # fmt: skip
    return table(["peer", "Python stages", "a call a", "M messages/s", "ours", "ours x"], lines)


def left_out(report: Report) -> str:
    return "\n".join(f"- {row['name']}: {row['failed']}" for row in report["rows"] if "failed" in row)


def bars(report: Report) -> list[Bar]:
    base, native = rate(report, TRANSPORT), rate(report, NATIVE)
    found = []
    for text, measured, over, least, unit in (
        ("native chain of 3 through `byteor run`, of the transport's", native, base, 0.7, "x"),
        ("a Python stage a message, M/s", rate(report, EQUAL["message", 1]), 1e6, 5, ""),
        ("a Python stage a batch, M/s", rate(report, EQUAL["batch", 1]), 1e6, 20, ""),
    ):
        if measured is None or not over:
            found.append(Bar(text, f">= {least:g}{unit}", "not measured", None))
            continue
        found.append(
            Bar(text, f">= {least:g}{unit}", f"{measured / over:.2f}{unit}", measured / over >= least)
        )
    for name, cost in report.get("metrics", {}).items():
        interval = f"{cost['low']:+.1%} to {cost['high']:+.1%}"
        told = f"{cost['overhead']:+.1%} (95 %: {interval}; {cost['pairs']} pairs)"
        sure = cost["high"] < 0.03 or (False if cost["low"] >= 0.03 else None)
        found.append(Bar(f"metrics: {name}", "< 3 %", told, sure))
    ahead, behind = 0, []
    for row in report["rows"]:
        if row["who"] == "peer" and "failed" not in row:
            mine = rate(report, EQUAL[row["calls"], row["stages"]])
            if mine is not None and mine > row["rate"]:
                ahead += 1
            else:
                behind.append(f"{row['name']}, {row['stages']} stages")
    told = f"{ahead} of {ahead + len(behind)} rows" + "".join(f"; not: {one}" for one in behind)
    found.append(Bar("ahead of every peer", "all", told, not behind if ahead or behind else None))
    return found


def bars_table(report: Report) -> str:
    said = {True: "yes", False: "**no**", None: "not sure"}
    return table(
        ["bar", "wanted", "measured", "met"],
        [[bar.text, bar.wanted, bar.measured, said[bar.met]] for bar in bars(report)],
    )


def everything(report: Report) -> str:
    parts = [about_run(report)]
    for name, make in (("Ours", ours), ("Peers", peers), ("Left out", left_out), ("Bars", bars_table)):
        if text := make(report):
            parts.append(f"## {name}\n\n{text}")
    return "\n\n".join(parts)
