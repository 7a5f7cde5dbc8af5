"""What the app hands a screen to draw: frame, evidence, and what the console says of itself."""

from __future__ import annotations

import msgspec

from byteor_tui.glyphs import Glyphs
from byteor_tui.model.bundle_pages import BundlePages
from byteor_tui.model.evidence import Checks, Environment, Evidence, Handover
from byteor_tui.model.frame import Frame
from byteor_tui.model.player import Player
from byteor_tui.model.specs import SpecFacts
from byteor_tui.model.text import precise_clock, wall_clock

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


class Moment(msgspec.Struct, frozen=True):
    """Something on the timeline: when, its one character, and what it was."""

    at_unix_ns: int
    sign: str
    text: str


class View(msgspec.Struct, frozen=True):
    """One tick's worth. ``age_ns`` is how old ``frame`` is; ``paused_ns`` how long it is frozen, or None.

    ``hz`` and ``cpu_share`` are the console's own pace and cost; ``pace_note`` says why it is slow.
    ``at_unix_ns`` is the time cursor (0: the present), ``pinned`` the frame that figures are compared with,
    ``span`` what the tape covers, ``moments`` what happened in it. ``player`` goes along the replay that is
    looked at; with ``replaying`` all of this is of its recording, not of the run. ``kind`` is ``snapshot``
    when what is open is a file and no run.
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
    evidence: Evidence = Evidence()
    specs: SpecFacts = SpecFacts()
    checks: Checks = Checks()
    at_unix_ns: int = 0
    pinned: Frame | None = None
    span: tuple[int, int] | None = None
    moments: tuple[Moment, ...] = ()
    read_only: bool = False
    env: str = ""
    kid: str = ""
    now_unix_ns: int = 0
    tour: str = ""
    player: Player | None = None
    player_error: str = ""
    replaying: bool = False
    kind: str = ""
    handover: Handover | None = None
    bundle: BundlePages = BundlePages()

    @property
    def environment(self) -> Environment | None:
        """The environment of the run, or the one that the console was started for."""
        name = (self.frame.env if self.frame is not None else "") or self.env
        return next((one for one in self.evidence.environments if name in {one.name, one.id}), None)

    @property
    def open_requests(self) -> int:
        return sum(row.open for row in self.evidence.approvals.rows)


def mode_word(view: View) -> str:
    """LIVE, PAUSED, PAST, STALE, or how the run ended: never a frozen number that looks alive."""
    frame = view.frame
    if view.replaying:
        return f"REPLAY {precise_clock(view.at_unix_ns)}"
    if frame is None:
        return "WAITING"
    if view.kind == "snapshot":
        return "SNAPSHOT"
    if view.at_unix_ns:
        return f"PAST {wall_clock(view.at_unix_ns)}"
    if frame.ended:
        return frame.state.upper()
    if view.paused_ns is not None:
        return "PAUSED"
    if view.age_ns > STALE_AFTER_NS:
        return "STALE"
    return "LIVE" if frame.state == "running" else frame.state.upper()
