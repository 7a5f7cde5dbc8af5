"""From a spec to what runs: which lanes exist, who reads and writes them, who shares a thread or process.

Everything here is a function of values: no region is touched and nothing is started. ``wire`` makes the
wiring; it is not imported here, because a worker's process knows plans and no specs.
"""

from byteor.runtime.wiring.model import SINK, SOURCE, LanePlan, Port, Wiring, WorkerPlan

__all__ = ["SINK", "SOURCE", "LanePlan", "Port", "Wiring", "WorkerPlan"]
