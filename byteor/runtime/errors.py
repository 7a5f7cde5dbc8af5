"""The runtime's error class. Codes are stable; each is raised in one place."""

from __future__ import annotations

from typing import ClassVar

from byteor.errors import ByteorError, Exit


class RunError(ByteorError):
    """A run that cannot start, be found, or go on. ``E_RUN_*``, ``E_WORKER_*``, ``E_RUNTIME_DIR``."""

    default_exit: ClassVar[Exit] = Exit.RUNTIME
