"""The ``byteor`` command: what scripts and operators type. ``main`` is the only entry point."""

from byteor.cli.main import main

__all__ = ["main"]
