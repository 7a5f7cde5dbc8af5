"""``python -m byteor.indexbus``: says which kernel this installation has, loudly when it is the slow one."""

from __future__ import annotations

import sys

from byteor.indexbus import kernel_name

NOTICE = """\
**********************************************************************
  ByteOr runs WITHOUT its native kernel: none was built here.
  The pure-Python twin does the same work, 10 to 100 times slower.
  Install a C compiler and the Python headers, then install again.
**********************************************************************
"""

if __name__ == "__main__":
    if kernel_name() == "native":
        sys.stdout.write("IndexBus kernel: native\n")
    else:
        sys.stderr.write(NOTICE)
