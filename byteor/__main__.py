"""``python -m byteor``: the same as the ``byteor`` command."""

import sys

from byteor.cli import main

sys.exit(main())
