"""One table from one run: ``python -m bench.pipeline [--quick] [--only WORD] [--json FILE]``.

Rows are measured in rounds, ours and peers in turn, each in a process with a deadline; figures are medians.
Ratios hold within one run on one machine only. ``--show FILE`` prints the tables of a run that is over.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.interpreters import having
from bench.pipeline import metrics, ours, peers, tables
from bench.transport import ours as transport
from bench.transport.measure import bounded, busy, elsewhere, machine, peer_folder
from bench.transport.shapes import CHAIN, SIZE
from byteor.indexbus import kernel_name

RESULTS = Path(__file__).parents[1] / "results" / "pipeline.json"
SECONDS = 60.0  # of one run
PAIRS = 400


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Row:
    """What breaks once is not tried again."""

    def __init__(self, about: dict[str, Any], call: Callable[[], float]) -> None:
        self.about, self._call = about, call
        self._rates, self._why = list[float](), ""

    def measure(self) -> None:
        if self._why:
            return
        try:
            self._rates.append(float(bounded(self._call, SECONDS)))
        except Exception as error:  # noqa: BLE001
            missing = isinstance(error, ImportError)
            self._why = f"left out: {error}" if missing else f"failed: {type(error).__name__}: {error}"
            tell(f"  {self.about['name']}: {self._why}")

    def result(self) -> dict[str, Any]:
        if self._why or not self._rates:
            return self.about | {"failed": self._why or "not measured"}
        rates = [round(rate) for rate in self._rates]
        return self.about | {"rate": round(statistics.median(rates)), "runs": rates}


def transports_chain() -> float:
    """The chain of the transport itself, between threads as the runtime has them."""
    messages = 10_000_000 // 256 * 256
    return messages / transport.stages(CHAIN, "native", SIZE, "threads")(messages)


def ask_peer(name: str, stages: int, messages: int) -> Any:
    peer = peers.PEERS[name]
    python = having(peer.module)
    if python is None:
        raise ImportError(f"no interpreter here has {peer.module} (python -m bench.interpreters)")
    with peer_folder() as folder:
        request = {"peer": name, "stages": stages, "messages": messages, "folder": str(folder)}
        return elsewhere(python, "bench.pipeline.peers", request)


def rows(scale: float, only: str) -> list[Row]:
    found = [Row({"name": tables.TRANSPORT, "who": "transport"}, transports_chain)]
    for name, (spec, messages) in ours.ROWS.items():
        many = max(1000, int(messages * scale))
        found.append(Row({"name": name, "who": "ours"}, partial(ours.rate, spec, many)))
    for name, peer in peers.PEERS.items():
        many = max(1000, int(peer.messages * scale))
        for stages in (1, 3):
            about = {"name": name, "who": "peer", "stages": stages, "calls": peer.calls}
            found.append(Row(about, partial(ask_peer, name, stages, many)))
    return [row for row in found if only in row.about["name"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the messages, one round")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write; without it only a full run writes")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the tables of a run that is over")
    options = parser.parse_args()
    if options.show:
        print(tables.everything(json.loads(options.show.read_text())))
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))  # so that folders go
    partly = options.quick or bool(options.only)
    began, rounds = time.monotonic(), options.rounds or (1 if partly else 3)
    report: dict[str, Any] = {"machine": machine(), "kernel": kernel_name(), "rounds": rounds}
    report["busy"] = [busy()]
    with transport.folder():
        measured = rows(0.2 if options.quick else 1.0, options.only)
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            for row in measured:
                row.measure()
        report["rows"] = [row.result() for row in measured]
        if not options.only:
            tell("metrics with and without, in pairs")
            count = PAIRS // 10 if options.quick else PAIRS
            report["metrics"] = {
                name: bounded(partial(way, count), 2 * SECONDS) for name, way in metrics.WAYS.items()
            }
    report["busy"].append(busy())
    report["seconds"] = round(time.monotonic() - began)
    print(tables.everything(report))
    where = options.json or (None if partly else RESULTS)
    if where:
        where.write_text(json.dumps(report, indent=1) + "\n")
        tell(f"written to {where}")


if __name__ == "__main__":
    main()
