"""The demo's stage with a fault: passes messages on until a file appears, then fails once, as stages do."""

from __future__ import annotations

import os
from pathlib import Path

from byteor.runtime.stages import stage

VARIABLE = "BYTEOR_DEMO_FAULT"


@stage("demo_check")
def demo_check(message: bytes) -> bytes:
    """Passes each message on; raises while the file that BYTEOR_DEMO_FAULT names exists."""
    fault = os.environ.get(VARIABLE, "")
    if fault and Path(fault).exists():
        raise ValueError("the demo's fault is switched on")
    return message
