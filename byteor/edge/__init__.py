"""Where messages enter and leave a run: sources and sinks, written ``kind:argument``.

The contract that they fulfil is ``byteor.runtime.adapter``; the table of kinds is ``catalogue``.
"""

from byteor.edge.catalogue import SINKS, SOURCES, Kind, parse_sink, parse_source
from byteor.edge.errors import EdgeError

__all__ = ["SINKS", "SOURCES", "EdgeError", "Kind", "parse_sink", "parse_source"]
