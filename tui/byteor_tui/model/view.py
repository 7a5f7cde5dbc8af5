"""What the app hands a screen to draw: a frame, how old it is, and what the console says about itself."""

from __future__ import annotations

import msgspec

from byteor_tui.glyphs import Glyphs
from byteor_tui.model.frame import Frame

STALE_AFTER_NS = 2_000_000_000


class LogEntry(msgspec.Struct, frozen=True):
    """A line of the log: an act's command line (``argv``) with its outcome, or something worth saying.

    ``ok`` is None while the act runs.
    """

    at_unix_ns: int
    text: str
    command: bool = False
    ok: bool | None = True
    audit_seq: int | None = None


class View(msgspec.Struct, frozen=True):
    """One tick's worth. ``age_ns`` is how old ``frame`` is; ``paused_ns`` how long it is frozen, or None.

    ``hz`` and ``cpu_share`` are the console's own pace and cost; ``pace_note`` says why it is slow.
    """

    frame: Frame | None
    age_ns: int
    paused_ns: int | None
    error: str
    log: tuple[LogEntry, ...]
    glyphs: Glyphs
    hz: float
    pace_note: str
    cpu_share: float


def mode_word(view: View) -> str:
    """LIVE, PAUSED, STALE, or how the run ended: never a frozen number that looks alive."""
    frame = view.frame
    if frame is None:
        return "WAITING"
    if frame.ended:
        return frame.state.upper()
    if view.paused_ns is not None:
        return "PAUSED"
    if view.age_ns > STALE_AFTER_NS:
        return "STALE"
    return "LIVE" if frame.state == "running" else frame.state.upper()
