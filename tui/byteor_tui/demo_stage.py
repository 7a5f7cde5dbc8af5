"""The demo's stage with a fault: lets what is unusual pass until a file appears, then fails as stages do."""

from __future__ import annotations

import os
from pathlib import Path

from byteor.runtime.stages import stage

VARIABLE = "BYTEOR_DEMO_FAULT"


@stage("demo_check")
def demo_check(message: bytes) -> bytes | None:
    """Lets the messages that detect has marked pass; raises while the file of BYTEOR_DEMO_FAULT exists."""
    fault = os.environ.get(VARIABLE, "")
    if fault and Path(fault).exists():
        raise ValueError("the demo's fault is switched on")
    return message if b'"outlier":true' in bytes(message) else None
