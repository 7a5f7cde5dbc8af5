"""Writes what is generated from the layout tables: ``python -m byteor.indexbus.generate``."""

from __future__ import annotations

from pathlib import Path

from byteor.indexbus.abi import c_header

HEADER = Path(__file__).with_name("kernel") / "abi.h"

if __name__ == "__main__":
    HEADER.write_text(c_header())
