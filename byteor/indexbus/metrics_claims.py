"""Who writes which row of a metrics region: a kernel lock on the row's first byte, as for a lane's roles.

The lock goes with the process that held it, however that ended, so a dead writer's row is free at once. All
rows of one open of a region share a descriptor: a run has a thousand rows.
"""

from __future__ import annotations

import os
import threading

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.peers import drop_in_child, lock_byte, open_anew, unlock_byte
from byteor.indexbus.region import Region

ALONE = 0


class RowClaims:
    """The rows that are written through one open of a region."""

    def __init__(self, region: Region) -> None:
        self._fd = open_anew(region)
        self._name = region.path.name
        self._guard = threading.Lock()
        self._sharing: dict[int, int] = {}  # by offset: how many share it; ALONE
        drop_in_child(self)

    def take(self, at: int, index: int, *, shared: bool) -> None:
        """Hold row ``index``, at ``at``, alone or with others that share it. Raises ``E_ROLE_TAKEN``."""
        with self._guard:
            # The kernel refuses what others hold, never what this descriptor holds already.
            mine = self._sharing.get(at)
            if mine is None and lock_byte(self._fd, at, shared=shared):
                self._sharing[at] = 1 if shared else ALONE
            elif mine is not None and mine != ALONE and shared:
                self._sharing[at] = mine + 1
            else:
                raise IndexBusError("E_ROLE_TAKEN", f"row {index} of {self._name} has a writer")

    def give_back(self, at: int) -> None:
        with self._guard:
            left = self._sharing.pop(at) - 1
            if left > 0:
                self._sharing[at] = left
            elif self._fd >= 0:
                unlock_byte(self._fd, at)

    def leave(self) -> None:
        """Close this process's copy of the descriptor: in a forked child, and at the end."""
        self._guard = threading.Lock()  # a thread that is not here may have held it when we were forked
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.leave()
