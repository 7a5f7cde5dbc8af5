"""The minute before a snapshot: where the capture has it, for ``byteor journal cat --since --until``."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from byteor.acts.captures import captures_folder
from byteor.errors import ByteorError
from byteor.incident.capture import JOURNAL
from byteor.incident.recording import frames
from byteor.incident.timeline import rfc3339
from byteor.indexbus.journal_disk import segments

PRE_ROLL_NS = 60_000_000_000


def with_pre_roll(document: bytes, run_id: str) -> bytes:
    """The snapshot ``document`` with ``pre_roll{journal, from, to}`` where the run is captured."""
    fields: dict[str, Any] = msgspec.json.decode(document)
    found = pre_roll(run_id, int(fields["taken_unix_ns"]))
    if found is None:
        return document
    return msgspec.json.format(msgspec.json.encode({**fields, "pre_roll": found}))


def pre_roll(run_id: str, taken_unix_ns: int) -> dict[str, str] | None:
    """``journal``, and ``from`` and ``to`` as RFC 3339; None without a capture. Reads a record a segment."""
    journal = captures_folder() / run_id / JOURNAL
    begins = taken_unix_ns - PRE_ROLL_NS
    oldest: int | None = None
    with contextlib.suppress(ByteorError, OSError):
        for position, _ in reversed(segments(journal)):
            first = next(frames(journal, position), None)
            if first is not None:
                oldest = first[1].at_ns
                if oldest <= begins:
                    break
    if oldest is None:
        return None
    return {"journal": str(journal), "from": rfc3339(max(begins, oldest)), "to": rfc3339(taken_unix_ns)}
