"""Figures in pages come from result files: ``python -m bench.docs`` writes them, ``--check`` only looks.

A page has a block ``<!-- bench: NAME -->`` ... ``<!-- /bench -->``; what stands between is made from
``bench/results/``. In docs/lanes/ no speed stands outside of a block. The transport's results must be of a
full run of the bench as it is: they have every row that it measures.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.pipeline import tables as pipeline
from bench.transport import tables as transport
from bench.transport.shapes import SIZE

ROOT = Path(__file__).parents[1]
PAGES = (Path("bench/README.md"), Path("docs/tuning.md"), Path("docs/console.md"), *(
    path.relative_to(ROOT) for path in sorted((ROOT / "docs/lanes").glob("*.md"))
))  # fmt: skip
BLOCK = re.compile(r"(<!-- bench: ([a-z0-9 ,-]+) -->\n).*?(<!-- /bench -->)", re.DOTALL | re.IGNORECASE)
SPEED = re.compile(
    r"\d[\d.,]* ?(?:M|k|G)?(?: ?(?:messages|records|msg))?(?:/s|(?: a second))|\d ?(?:us|ns)\b"
)


@lru_cache
def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "bench/results" / f"{name}.json").read_text())
    return found


WAITING = {
    "spin": ("looks again at once", "each role has a core of its own, and latency is everything"),
    "yield": ("looks, then gives the core to whoever is ready", "roles share cores and work is steady"),
    "backoff": (
        "looks, yields, then sleeps, doubling to 1 ms; after 20 ms of nothing it sleeps as `BLOCK` does",
        "nothing is known (the default)",
    ),
    "block": ("looks, then sleeps on a futex until it is woken", "lanes that are mostly idle"),
}


def waiting(report: dict[str, Any]) -> str:
    lines = []
    for name, (does, choose) in WAITING.items():
        trip = transport.find(report["round_trips_ns"], who="ours", waits=name, size=SIZE)
        times = ["-"] * 3 if trip is None else [f"{trip[q] / 1e3:.2f} us" for q in ("p50", "p99", "p99.9")]
        lines.append([f"`{name.upper()}`", does, f"{report['idle_cpu'][name]:.1%}", *times, choose])
    head = ["", "what it does", "a processor, idle", "round trip p50", "p99", "p99.9", "choose it when"]
    others = [
        f"{who} {trip['p50'] / 1e3:.2f} us"
        for who in ("pyaeron", "OS pipe", "multiprocessing.Pipe")
        if (trip := transport.find(report["round_trips_ns"], who=who))
    ]
    table = transport.table(head, lines)
    return f"{table}\n\nIn the same run, p50: {', '.join(others)}. {transport.about(report)}"


def lane(report: dict[str, Any], *names: str) -> str:
    """Our rows of 64 bytes of these lanes."""
    rows = [row for row in report["ours"] if row["lane"].partition(",")[0] in names]
    return transport.our_lanes(report | {"ours": rows}, limits=False)


def profiles(report: dict[str, Any]) -> str:
    lines = [
        [name, *(f"{figures[q] / 1e6:.2f} ms" for q in ("p50_ns", "p99_ns", "p999_ns")),
         ", ".join(f"{request} {applied}" for request, applied in figures["tuning"].items())]
        for name, figures in report["profiles"].items()
    ]  # fmt: skip
    m = report["machine"]
    where = f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}"
    table = transport.table(["profile", "p50 <=", "p99 <=", "p99.9 <=", "what the host gave"], lines)
    return f"{table}\n\n{report['rate']:,} messages a second, half of what the paced source can do. {where}."


def console(report: dict[str, Any]) -> str:
    lines = [[row["what"], row["measured"], row["bar"]] for row in report["rows"]]
    m = report["machine"]
    table = transport.table(["", "measured", "bar"], lines)
    return f"{table}\n\n{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, Python {m['python']}."


def _of(name: str, make: Callable[[dict[str, Any]], str]) -> Callable[[], str]:
    return lambda: make(results(name))


BLOCKS: dict[str, Callable[[], str]] = {
    "transport about": _of("transport", transport.about),
    "transport sizes": _of("transport", transport.our_sizes),
    "transport lanes": _of("transport", transport.our_lanes),
    "transport peers by size": _of("transport", transport.peer_sizes),
    "transport peers by shape": _of("transport", transport.peer_shapes),
    "transport round trips": _of("transport", transport.round_trips),
    "transport left out": _of("transport", transport.left_out),
    "transport bars": _of("transport", transport.bars_table),
    "waiting": _of("transport", waiting),
    "lane events": lambda: lane(results("transport"), "Events"),
    "lane sequenced": lambda: lane(results("transport"), "SequencedSlots"),
    "lane fanout": lambda: lane(results("transport"), "Fanout"),
    "lane router": lambda: lane(results("transport"), "Queues"),
    "lane journal": lambda: lane(results("transport"), "Journal"),
    "lane state": lambda: lane(results("transport"), "State"),
    "pipeline about": _of("pipeline", transport.about),
    "pipeline ours": _of("pipeline", pipeline.ours),
    "pipeline peers": _of("pipeline", pipeline.peers),
    "pipeline left out": _of("pipeline", pipeline.left_out),
    "pipeline bars": _of("pipeline", pipeline.bars_table),
    "console": _of("console", console),
    "profiles": _of("profiles", profiles),
}


def rendered(text: str) -> str:
    """``text`` with the figures of the result files in its blocks."""
    return BLOCK.sub(lambda m: f"{m[1]}{BLOCKS[m[2]]().strip()}\n{m[3]}", text)


def loose(text: str) -> list[str]:
    """Speeds that stand outside of blocks and of code."""
    bare = re.sub(r"```.*?```|`[^`]*`", "", BLOCK.sub("", text), flags=re.DOTALL)
    return SPEED.findall(bare)


def missing() -> list[str]:
    """Rows that the bench measures and the results do not have."""
    from bench.transport import __main__ as bench
    from bench.transport import ours

    found = results("transport")
    have = {tuple(row[key] for key in ("lane", "shape", "calls", "size", "where")) for row in found["ours"]}
    there = {tuple(row[key] for key in ("peer", "shape", "size", "calls")) for row in found["peers"]}
    lacks = [", ".join(map(str, row[:5])) for row in ours.rows() if row[:5] not in have]
    wanted = [(peer.name, *rest) for peer, *rest in bench.peer_rows(quick=False)]
    return lacks + [", ".join(map(str, row)) for row in wanted if row not in there]


def problems() -> list[str]:
    """What is wrong with the pages, a line each."""
    found = [f"the results of the transport lack {row}" for row in missing()]
    for page in PAGES:
        text = (ROOT / page).read_text()
        if rendered(text) != text:
            found.append(f"{page} does not show the results: python -m bench.docs")
        if page.parts[:2] == ("docs", "lanes"):
            found += [f"{page} tells a speed outside of a block: {speed}" for speed in loose(text)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.docs", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="exit 1 when a page and its figures differ")
    if not parser.parse_args().check:
        for page in PAGES:
            text = (ROOT / page).read_text()
            if (new := rendered(text)) != text:
                (ROOT / page).write_text(new)
                print(f"written: {page}")
    found = problems()
    print("\n".join(found))
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
