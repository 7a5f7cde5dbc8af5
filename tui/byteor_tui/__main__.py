"""``python -m byteor_tui``: the same as ``byteor-console``."""

import sys

from byteor_tui.cli import main

sys.exit(main())
