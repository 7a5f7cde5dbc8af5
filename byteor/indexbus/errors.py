"""What can go wrong in the transport: one class, a table of codes with what to do next."""

from __future__ import annotations

from typing import Any

from byteor.errors import ByteorError, Exit

# code -> (exit, hint). The message is written where the error is found.
CODES: dict[str, tuple[Exit, str]] = {
    "E_REGION_MISSING": (Exit.NOT_FOUND, "check the path; `byteor region ls` lists the regions that exist"),
    "E_REGION_EXISTS": (Exit.CONFLICT, "remove the old region first (`byteor gc`) or choose another path"),
    "E_REGION_FILE": (Exit.INTEGRITY, "a region is a regular file of yours, closed to group and world"),
    "E_REGION_LENGTH": (Exit.INTEGRITY, "the file is cut or no region; create it anew"),
    "E_REGION_MAGIC": (Exit.INTEGRITY, "this file is no IndexBus region"),
    "E_REGION_VERSION": (Exit.INTEGRITY, "created by another version of byteor; create it anew"),
    "E_REGION_KIND": (Exit.INTEGRITY, "open it as the kind that it is (`byteor region inspect`)"),
    "E_REGION_CAPABILITIES": (Exit.INTEGRITY, "created by another version of byteor; create it anew"),
    "E_REGION_LAYOUT": (Exit.INTEGRITY, "the file was cut or written over; create it anew"),
    "E_REGION_GEOMETRY": (Exit.INTEGRITY, "the header contradicts itself; create it anew"),
    "E_REGION_INIT": (Exit.TIMEOUT, "its creator died half-way; create it anew"),
    "E_REGION_STALE": (Exit.CONFLICT, "the region was replaced; open it again"),
    "E_REGION_GONE": (Exit.RUNTIME, "the file shrank under its readers; somebody truncated it"),
    "E_SHM_SPACE": (Exit.UNAVAILABLE, "free space there (byteor gc), or use fewer or smaller slots"),
    "E_GEOMETRY": (Exit.USAGE, "choose other sizes"),
    "E_ROLE_TAKEN": (Exit.CONFLICT, "one handle a role: close the other one first"),
    "E_ROLE": (Exit.USAGE, "the roles of a ring are fixed when it is created"),
    "E_FORKED": (Exit.USAGE, "open the lane again in the child process"),
    "E_CLOSED": (Exit.USAGE, "the handle was closed"),
    "E_OVERSIZE": (Exit.INVALID, "use larger slots (slot_bytes), or set such messages aside"),
    "E_VALUE": (Exit.USAGE, "check the call"),
    "E_BATCH_PASSED": (Exit.USAGE, "take what you need of a batch before the next step"),
    "E_VIEW_HELD": (Exit.USAGE, "release every view (and array) of a batch before advancing past it"),
    "E_PEER_DEAD": (Exit.RUNTIME, "a process of this lane died; stop the run and start it again"),
    "E_ABORTED": (Exit.RUNTIME, "see who aborted the stream: `byteor region inspect`"),
    "E_CORRUPT": (Exit.INTEGRITY, "something wrote over the region; stop the run and create it anew"),
    "E_OVERRUN": (Exit.RUNTIME, "the reader was too slow for this lane; enlarge it or read faster"),
    "E_BUSY": (Exit.TIMEOUT, "a writer holds the cell; try again"),
    "E_JOURNAL_SYNC": (
        Exit.UNAVAILABLE,
        "look at the disk (full, read-only, failing?); what was synced before is whole",
    ),
    "E_UNSUPPORTED": (Exit.UNAVAILABLE, "build the native kernel (a C compiler and the Python headers)"),
}


class IndexBusError(ByteorError):
    """An error of the transport. ``fields`` holds numbers for a program (``index``, ``length``,
    ``sequence``...).
    """

    def __init__(self, code: str, message: str, *, hint: str | None = None, **fields: Any) -> None:
        exit, usual = CODES[code]
        super().__init__(code, message, hint=hint or usual, exit=exit)
        self.fields = fields


def oversize(index: int, length: int, limit: int) -> IndexBusError:
    """The error of a message that does not fit its slot; nothing of its batch was published."""
    return IndexBusError(
        "E_OVERSIZE",
        f"message {index} has {length} bytes, a slot holds {limit}",
        index=index,
        length=length,
        limit=limit,
    )
