"""ByteOr: governed execution and replay for real-time pipelines.

Each layer is a package of its own and usable without the ones above it: ``byteor.indexbus`` (shared
memory), ``byteor.spec`` (documents), ``byteor.runtime`` (executors).
"""

from byteor._version import __version__

__all__ = ["__version__"]
