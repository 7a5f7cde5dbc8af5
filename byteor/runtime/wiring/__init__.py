"""From a spec to what runs: which lanes exist, who reads and writes them, who shares a thread or process.

Everything here is a function of values: no region is touched and nothing is started.
"""

from byteor.runtime.wiring.model import SINK, SOURCE, LanePlan, Port, Wiring, WorkerPlan
from byteor.runtime.wiring.wire import wire

__all__ = ["SINK", "SOURCE", "LanePlan", "Port", "Wiring", "WorkerPlan", "wire"]
