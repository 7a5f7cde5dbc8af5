"""Notes of people in the audit log: a marked moment, the handover of a shift."""

from __future__ import annotations

import time

import msgspec

from byteor.acts.log import open_log
from byteor.atomic import private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.runtime.folders import RunInfo
from byteor.state import state_dir
from byteor_store import Event, current_actor

ACTIONS = {"mark": "moment_marked", "handover": "handover_written"}
MAX_BYTES = 16 << 10
HANDOVERS, LATEST = "handovers", "latest.json"


class Handover(msgspec.Struct, frozen=True):
    """The newest handover, as ``latest.json`` keeps it beside the log for whoever sits down next."""

    audit_seq: int
    at_unix_ns: int
    actor: str
    text: str


def note(kind: str, text: str, *, run: RunInfo | None = None, at_unix_ns: int | None = None) -> int:
    """Write ``text`` into the log; its seq. ``at_unix_ns`` is the moment that it is about: now when absent.

    Raises ``E_NOTE`` (exit 3) for a text that is empty or over 16 KiB.
    """
    check(text)
    now = time.time_ns()
    event = Event(
        action=ACTIONS[kind],
        actor=current_actor(),
        env=run.identity.env if run is not None else None,
        run_id=run.identity.run_id if run is not None else None,
        spec_hash=run.identity.spec_hash if run is not None else None,
        body={"text": text, "at_unix_ns": str(now if at_unix_ns is None else at_unix_ns)},
    )
    with open_log() as log:
        seq = log.append(event)
    if kind == "handover":
        folder = private_folder(private_folder(state_dir()) / HANDOVERS)
        write_file(folder / LATEST, msgspec.json.encode(Handover(seq, now, event.actor, text)))
    return seq


def check(text: str) -> None:
    """Raises ``E_NOTE`` for what ``note`` refuses."""
    if not text.strip():
        raise ByteorError("E_NOTE", "a note needs a text", hint="byteor note TEXT", exit=Exit.INVALID)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        hint = "write it in UTF-8"
        raise ByteorError("E_NOTE", "a note's bytes are no text", hint=hint, exit=Exit.INVALID) from None
    if size > MAX_BYTES:
        raise ByteorError(
            "E_NOTE", "a note is at most 16 KiB long", hint="put it into a file", exit=Exit.INVALID
        )


def latest_handover() -> Handover | None:
    """The newest handover of this host; None when there is none that can be read."""
    try:
        data = (state_dir() / HANDOVERS / LATEST).read_bytes()
        return msgspec.json.decode(data, type=Handover)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
