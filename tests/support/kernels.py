"""Which kernels this installation has. On CI both must be there: see ``.ci/run``."""

from __future__ import annotations

import pytest

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import kernel


def _native_loads() -> bool:
    try:
        kernel("native")
    except IndexBusError:
        return False
    return True


KERNELS = ["native", "pure"] if _native_loads() else ["pure"]
needs_native = pytest.mark.skipif("native" not in KERNELS, reason="no native kernel here")
