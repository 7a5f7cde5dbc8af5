"""What can go wrong where messages enter or leave a run."""

from __future__ import annotations

import errno

from byteor.errors import ByteorError, Exit


class EdgeError(ByteorError):
    """A source or a sink cannot do its work.

    Codes: ``E_EDGE_KIND`` and ``E_EDGE_ARGUMENT`` (exit 2), ``E_SOURCE_NOT_FOUND`` and
    ``E_SINK_NOT_FOUND`` (7), ``E_SOURCE_UNREADABLE`` and ``E_SINK_UNWRITABLE`` when opening (69),
    ``E_UNAVAILABLE`` (a package is missing), ``E_CHECKPOINT``, ``E_EDGE_TOKEN`` and ``E_DEAD_LETTER`` too;
    ``E_SOURCE_READ``, ``E_SINK_WRITE``, ``E_SINK_CLOSED``, ``E_SINK_REFUSED``, ``E_SINK_CANCELLED``,
    ``E_FRAMING``, ``E_OVERSIZE`` and a full ``E_DEAD_LETTER`` when at work (11).
    """


def reason(error: OSError) -> str:
    """The operating system's words for ``error``, with the symbol that people search for."""
    symbol = errno.errorcode.get(error.errno or 0, "")
    words = error.strerror or type(error).__name__
    return f"{words} ({symbol})" if symbol else words


def bad_argument(kind: str, usage: str, why: str) -> EdgeError:
    return EdgeError("E_EDGE_ARGUMENT", f"{kind}: {why}", hint=f"write it as {usage}", exit=Exit.USAGE)
