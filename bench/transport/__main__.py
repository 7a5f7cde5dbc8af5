"""One table from one run: ``python -m bench.transport [--quick] [--only WORD] [--json FILE]``.

Our rows and the plain-C limit are measured in rounds, with the peers between the rounds, so that a slow
minute of the machine meets all of them; figures are medians. Everything runs in processes with a deadline.
``--show FILE`` prints the tables of a run that is over.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.interpreters import having
from bench.transport import limit, ours, tables
from bench.transport.measure import bounded, busy, clean_folder, elsewhere, enough, machine, peer_folder
from bench.transport.peers.base import Peer
from bench.transport.peers.table import PEERS
from bench.transport.shapes import CHAIN, DIAMOND, GATHER, PAIR, SIZE, SIZES, SPREAD, TRIP
from byteor.indexbus import Wait, kernel_name

RESULTS = Path(__file__).parents[1] / "results" / "transport.json"
OUR_SECONDS, PEER_SECONDS = 30.0, 20.0
BUDGET_S = 0.3  # of one run
ROUNDS, PEER_RUNS, TRIP_ROUNDS = 5, 3, 3


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Series:
    """The runs of one row, one a round. What breaks once is not tried again."""

    def __init__(self, about: dict[str, Any], run: Callable[[int], float]) -> None:
        self.about, self._run = about, run
        self._messages, self._rates, self._why = 0, list[float](), ""

    def measure(self) -> None:
        if self._why:
            return
        try:
            if not self._messages:
                self._messages = bounded(partial(enough, self._run, BUDGET_S, 4096), OUR_SECONDS)
            took = bounded(partial(self._run, self._messages), OUR_SECONDS)
        except Exception as error:  # noqa: BLE001
            self._why = f"{type(error).__name__}: {error}"
            tell(f"  {self.about}: {self._why}")
        else:
            self._rates.append(self._messages / took)

    def result(self) -> dict[str, Any]:
        if self._why or not self._rates:
            return self.about | {"failed": self._why or "not measured"}
        rates = [round(rate) for rate in self._rates]
        return self.about | {"rate": round(statistics.median(rates)), "runs": rates}


class Trips:
    """Round trips of one kind, some in each round; medians of each quantile."""

    def __init__(self, about: dict[str, Any], call: Callable[[], Any], seconds: float) -> None:
        self.about, self._call, self._seconds = about, call, seconds
        self._found, self._why = list[dict[str, int]](), ""

    def measure(self) -> None:
        if self._why:
            return
        try:
            self._found.append(bounded(self._call, self._seconds))
        except Exception as error:  # noqa: BLE001
            self._why = f"{'left out' if isinstance(error, ImportError) else type(error).__name__}: {error}"
            tell(f"  {self.about['who']}, round trip: {self._why}")

    def result(self) -> dict[str, Any]:
        if self._why or not self._found:
            return self.about | {"failed": self._why or "not measured"}
        medians = {q: statistics.median(one[q] for one in self._found) for q in self._found[0]}
        return self.about | medians | {"runs": self._found}


def ask_peer(peer: Peer, **request: Any) -> Any:
    """In the child of ``bounded``: the peer's answer from the interpreter that has it."""
    python = having(peer.module)
    if python is None:
        raise ImportError(f"no interpreter here has {peer.module} (python -m bench.interpreters)")
    return elsewhere(python, "bench.transport.peers", {"peer": peer.name, **request})


def peer_rows(quick: bool) -> list[tuple[Peer, str, int, str]]:
    found = []
    for peer in PEERS.values():
        for size in (SIZE,) if quick or peer.where == "threads" else SIZES:
            found.append((peer, PAIR, size, "single"))
        if peer.where == "processes":
            shapes = [CHAIN, DIAMOND, SPREAD, *([GATHER] if peer.producers > 1 else [])]
            found += [(peer, shape, SIZE, "single") for shape in shapes]
        if peer.list_calls:
            found += [(peer, PAIR, size, "list") for size in ((SIZE,) if quick else SIZES)]
    return found


def measure_peer(peer: Peer, shape: str, size: int, calls: str) -> dict[str, Any]:
    about = {"peer": peer.name, "shape": shape, "size": size, "calls": calls, "where": peer.where}
    tell(f"  {peer.name}, {shape}, {size} bytes, {calls}")
    try:
        with peer_folder() as folder:
            request = partial(
                ask_peer, peer, shape=shape, size=size, calls=calls, repeats=PEER_RUNS, budget_s=BUDGET_S,
                folder=str(folder),
            )  # fmt: skip
            rates = [round(rate) for rate in bounded(request, PEER_SECONDS)["rates"]]
    except Exception as error:  # noqa: BLE001
        why = "left out" if isinstance(error, ImportError) else "failed"
        tell(f"    {why}: {error}")
        return about | {"failed": f"{why}: {error}"}
    return about | {"rate": round(statistics.median(rates)), "runs": rates}


def peer_trip(peer: Peer, rounds: int) -> Any:
    with peer_folder() as folder:
        return ask_peer(peer, shape=TRIP, size=SIZE, calls="single", rounds=rounds, folder=str(folder))


def trips(program: Path, quick: bool) -> list[Trips]:
    rounds = 4000 if quick else 20000
    found = [Trips({"who": "plain C", "waits": "spins"}, partial(limit.round_trip, program), OUR_SECONDS)]
    for wait in Wait:
        call = partial(ours.round_trip, wait, rounds)
        found.append(Trips({"who": "ours", "waits": wait.name.lower(), "size": SIZE}, call, OUR_SECONDS))
    for size in () if quick else SIZES:
        if size != SIZE:
            call = partial(ours.round_trip, Wait.SPIN, rounds, None, size)
            found.append(Trips({"who": "ours", "waits": "spin", "size": size}, call, OUR_SECONDS))
    twin = partial(ours.round_trip, Wait.YIELD, rounds // 4, "pure")
    found.append(Trips({"who": "ours, pure twin", "waits": "yield", "size": SIZE}, twin, OUR_SECONDS))
    for peer in PEERS.values():
        if peer.where == "processes":
            about = {"who": peer.name, "waits": peer.waits, "size": SIZE}
            found.append(Trips(about, partial(peer_trip, peer, rounds // 10), PEER_SECONDS))
    return found


def parts(whole: list[Any], count: int) -> Iterator[list[Any]]:
    for index in range(count):
        yield whole[index * len(whole) // count : (index + 1) * len(whole) // count]


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    quick, only = options.quick, options.only
    report: dict[str, Any] = {"machine": machine(), "kernel": kernel_name(), "rounds": options.rounds}
    report["busy"] = [busy()]
    program = limit.build(folder)
    pairs = [(PAIR, size) for size in ((SIZE,) if quick else SIZES)]
    limits = [
        Series({"shape": shape, "size": size}, limit.stream(program, shape, size))
        for shape, size in [*pairs, (CHAIN, SIZE), (DIAMOND, SIZE), (SPREAD, SIZE)]
    ]
    mine = [
        Series(row._asdict() | {"run": None}, row.run)
        for row in ours.rows((SIZE,) if quick else SIZES)
        if only in f"{row.lane}, {row.shape}, {row.calls}, {row.size}, {row.where}"
    ]
    for one in mine:
        del one.about["run"]
    there = [] if only else trips(program, quick)
    theirs = [] if only else peer_rows(quick)
    peers = []
    for number, part in enumerate(parts(theirs, options.rounds)):
        tell(f"round {number + 1} of {options.rounds}")
        for series in (*limits, *mine):
            series.measure()
        if number < TRIP_ROUNDS:
            for trip in there:
                trip.measure()
        peers += [measure_peer(*row) for row in part]
    report |= {
        "limit": [one.result() for one in limits],
        "ours": [one.result() for one in mine],
        "peers": peers,
        "notes": {peer.name: peer.note for peer in PEERS.values() if peer.note},
        "round_trips_ns": [one.result() for one in there],
    }
    if not only:
        report["publish_ns"] = bounded(partial(ours.publish_ns, SIZE), OUR_SECONDS)
        idle = {wait.name.lower(): bounded(partial(ours.idle_cpu, wait), OUR_SECONDS) for wait in Wait}
        report["idle_cpu"] = idle
    report["busy"].append(busy())
    report["seconds"] = round(time.monotonic() - began)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.transport", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="64 bytes only, in 2 rounds")
    parser.add_argument("--only", default="", help="only our rows whose name contains this")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, help=f"where to write; without it only a full run writes, {RESULTS.name}"
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the tables of a run that is over")
    options = parser.parse_args()
    if options.show:
        print(tables.everything(json.loads(options.show.read_text())))
        return
    options.rounds = options.rounds or (2 if options.quick or options.only else ROUNDS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))  # so that folders go
    with clean_folder("byteor-limit-", Path("/tmp")) as folder, ours.folder():
        report = measure(folder, options)
    print(tables.everything(report))
    where = options.json or (None if options.quick or options.only else RESULTS)
    if where:
        where.write_text(json.dumps(report, indent=1) + "\n")
        tell(f"written to {where}")


if __name__ == "__main__":
    main()
