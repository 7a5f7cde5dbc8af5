"""Which kernel does the hot calls: the native one when it imports, or as ``BYTEOR_KERNEL`` says."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType

from byteor.indexbus.errors import IndexBusError


@cache
def kernel(name: str | None = None) -> ModuleType:
    """The kernel's module: ``Producer``, ``Consumer``, ``crc32c``, ``NATIVE_STAGES``... Raises
    ``E_UNSUPPORTED``.
    """
    wanted = name or os.environ.get("BYTEOR_KERNEL", "")
    if wanted not in ("", "native", "pure"):
        why = f"BYTEOR_KERNEL is {wanted!r}, not native or pure"
        raise IndexBusError("E_UNSUPPORTED", why, hint="unset it, or name one of the two")
    if wanted != "pure":
        try:
            return importlib.import_module("byteor.indexbus._native")
        except ImportError as error:
            if wanted == "native":
                raise IndexBusError("E_UNSUPPORTED", f"the native kernel does not load: {error}") from None
    return importlib.import_module("byteor.indexbus.pure.kernel")


def kernel_name() -> str:
    """``native`` or ``pure``."""
    return "native" if kernel().__name__.endswith("_native") else "pure"


def crc32c(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """CRC-32C of ``data``, continuing from ``crc``."""
    result: int = kernel().crc32c(data, crc)
    return result


def native_stage_names() -> tuple[str, ...]:
    """The built-in stages that ``Consumer.run_native`` knows."""
    names: tuple[str, ...] = kernel().NATIVE_STAGES
    return names


def install_sigbus() -> None:
    """A truncated region ends the process with exit code 11 and a sentence (native kernel; the twin
    cannot).
    """
    kernel().install_sigbus()
