"""Who takes part in a lane: claiming a role, leaving it, and telling the dead from the living.

A role is an entry of the peer section plus an OFD lock on its first byte. The kernel drops the lock with the
last descriptor, however the process ends; an entry that names a pid while nobody holds the lock belongs to a
dead process.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import weakref
from pathlib import Path
from typing import Protocol

import msgspec

from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.region import Region

F_OFD_GETLK, F_OFD_SETLK = 36, 37
_FLOCK = "hhqqi4x"


class Peer(msgspec.Struct, frozen=True):
    """One role as an observer sees it. ``state``: absent, alive or dead."""

    index: int
    name: str
    state: str
    pid: int
    start_time: int
    claimed: int


def process_start_time(pid: int) -> int:
    """Clock ticks after boot at which ``pid`` started; 0 when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(text[text.rindex(b")") + 2 :].split()[19])


def lock_is_free(fd: int, at: int) -> bool:
    """Whether no other open description holds the lock on the byte at ``at``."""
    request = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, at, 1, 0)
    return bool(struct.unpack(_FLOCK, fcntl.fcntl(fd, F_OFD_GETLK, request))[0] == fcntl.F_UNLCK)


def open_anew(region: Region) -> int:
    """A descriptor with a lock owner of its own; a ``dup`` would share the region's."""
    return os.open(f"/proc/self/fd/{region.fd}", os.O_RDWR | os.O_CLOEXEC)


def lock_byte(fd: int, at: int, *, shared: bool = False) -> bool:
    """Lock the byte at ``at`` for the description of ``fd``; False while another one holds it."""
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    try:
        fcntl.fcntl(fd, F_OFD_SETLK, struct.pack(_FLOCK, kind, 0, at, 1, 0))
    except OSError:
        return False
    return True


def unlock_byte(fd: int, at: int) -> None:
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_UNLCK, 0, at, 1, 0))


class Leaver(Protocol):
    def leave(self) -> None: ...


# A forked child inherits the descriptors, and with them the locks: a dead parent would look alive.
_held: weakref.WeakSet[Leaver] = weakref.WeakSet()


def drop_in_child(holder: Leaver) -> None:
    """Call ``holder.leave()`` in every forked child, where it must close its descriptor and unlock nothing:
    the locks are the parent's.
    """
    _held.add(holder)


def _leave_in_child() -> None:
    for holder in list(_held):
        holder.leave()


os.register_at_fork(after_in_child=_leave_in_child)


class Claim:
    """A role that this handle holds until ``leave``; the descriptor is its own, so its lock is too."""

    def __init__(self, region: Region, at: int, name: str) -> None:
        """Take the role whose entry lies at ``at``. Raises ``E_ROLE_TAKEN``."""
        self.at = at
        self.pid = os.getpid()
        self.fd = open_anew(region)
        if not lock_byte(self.fd, at):
            os.close(self.fd)
            raise IndexBusError("E_ROLE_TAKEN", f"the role {name} of {region.path.name} is taken")
        words = memoryview(region.mapping).cast("B").cast("Q")
        halves = memoryview(region.mapping).cast("B").cast("I")
        word = at >> 3
        # The pid comes last: an entry with a pid and without a lock would look dead.
        words[word + 1] = process_start_time(self.pid)
        words[word + 3] = time.monotonic_ns()
        halves[(at >> 2) + 1] = abi.PEER_FENCED
        halves[at >> 2] = self.pid
        words.release()
        halves.release()
        drop_in_child(self)

    def leave(self) -> None:
        """Give the role back. A forked child only closes its copy of the descriptor."""
        if self.fd < 0:
            return
        if os.getpid() == self.pid:
            os.pwrite(self.fd, bytes(4), self.at)
        os.close(self.fd)
        self.fd = -1


def read_peers(region: Region, at: int, names: tuple[str, ...]) -> list[Peer]:
    """Every role of the region, for observers; by ``pread``."""
    peers = []
    for index, name in enumerate(names):
        entry_at = at + index * abi.PEER.size
        entry = abi.PEER.unpack(region.read(entry_at, abi.PEER.size))
        pid = int(entry["pid"])
        state = "absent" if pid == 0 else "dead" if lock_is_free(region.fd, entry_at) else "alive"
        peers.append(Peer(index, name, state, pid, int(entry["start_time"]), int(entry["claimed"])))
    return peers
