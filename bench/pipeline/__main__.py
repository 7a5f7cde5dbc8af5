"""One table from one run: ``python -m bench.pipeline [--scale F] [--repeats N] [--json FILE]``.

Ratios hold within one run on one machine only. A peer's pipeline has one Python stage a message: it is set
against our row of the same kind. dora-rs is left out: it needs a daemon of its own and a file a node.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.pipeline import ours, peers
from bench.transport import ours as transport
from bench.transport.measure import bounded, in_threads, machine, median_rate
from byteor.indexbus import kernel_name

RESULTS = Path(__file__).parents[1] / "results" / "pipeline.json"
CHAIN, EACH = "ring, 3 native stages in a chain", "ring, a Python stage a message"


def attempt(name: str, repeats: int, call: Callable[[], float]) -> float | None:
    """The median of some runs; what is missing or breaks is a line of the table."""
    try:
        return statistics.median(float(bounded(call, 150.0)) for _ in range(repeats))
    except ImportError as error:
        print(f"  {name:42} left out: {error}")
    except Exception as error:  # noqa: BLE001
        print(f"  {name:42} failed: {type(error).__name__}: {error}")
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline")
    parser.add_argument("--scale", type=float, default=1.0, help="messages of each run, times this")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    with transport.folder():
        chain = median_rate(transport.chain(64, 3, transport.straight, in_threads), options.repeats)[0]
    print(f"  {'the transport alone, native chain of 3':42} {chain / 1e6:9.2f} M/s")
    found: dict[str, float] = {"the transport alone, native chain of 3": chain}
    for name, (spec, messages) in ours.ROWS.items():
        many = max(1000, int(messages * options.scale))
        rate = attempt(name, options.repeats, partial(ours.rate, spec, many))
        if rate is not None:
            found[name] = rate
            print(f"  {name:42} {rate / 1e6:9.2f} M/s")
    ratios: dict[str, float] = {}
    if CHAIN in found:
        ratios["runtime of the transport's chain"] = found[CHAIN] / chain
        print(f"  {'the runtime of the transport alone':42} {found[CHAIN] / chain:9.2f}")
    for name, (function, messages) in peers.PEERS.items():
        many = max(1000, int(messages * options.scale))
        rate = attempt(name, options.repeats, partial(function, many))
        if rate is not None:
            found[name] = rate
            ratios[f"ours to {name}"] = ratio = found.get(EACH, 0.0) / rate
            print(f"  {name:42} {rate / 1e6:9.3f} M/s   ours {ratio:7.1f} times")
    report = {"machine": about, "kernel": kernel_name(), "messages_per_s": found, "ratios": ratios}
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
