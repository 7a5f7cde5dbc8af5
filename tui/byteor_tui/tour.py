"""The guided tour of the demo: one sentence at a time, the next when what it asked for has happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from byteor_tui.demo_people import PASSPHRASE

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp
    from byteor_tui.model.evidence import Approval

Step = tuple[str, Callable[["ConsoleApp"], bool]]


def _newest(app: ConsoleApp) -> Approval | None:
    rows = app.collector.latest.approvals.rows
    return max(rows, key=lambda row: row.created, default=None)


def _approved_by(app: ConsoleApp, number: int) -> bool:
    newest = _newest(app)
    return newest is not None and len(newest.approved_by) >= number


def _faulty(app: ConsoleApp) -> bool:
    return app.session.fault is not None and app.session.fault.exists()


def _replayed(app: ConsoleApp) -> bool:
    return any(one.verdict == "equal" for one in app.collector.latest.replays)


def _alerted(app: ConsoleApp) -> bool:
    frame = app.view().frame
    return frame is not None and bool(frame.needs)


STEPS: tuple[Step, ...] = (
    ("f switches the demo's fault on: a stage will fail", _alerted),
    ("! goes to the newest alert", lambda app: "alert" in app.acted),
    ("s takes a snapshot: it also works on a dead run", lambda app: "snapshot" in app.acted),
    ("i makes an incident bundle", lambda app: bool(app.collector.latest.incidents.rows)),
    ("1, then f: the fault is mended, as a fixed stage would be", lambda app: not _faulty(app)),
    ("r, enter replays what was captured, as a dry run: nothing leaves", _replayed),
    ("x asks for an approval: type a reason, enter", lambda app: _newest(app) is not None),
    (
        f"n to the last hunk, then A: alice signs (code, then {PASSPHRASE})",
        lambda app: _approved_by(app, 1),
    ),
    ("I makes you bob; then A again", lambda app: _approved_by(app, 2)),
    (
        "6 Replay, X executes it: now with effects",
        lambda app: any(one.mode == "execute" for one in app.collector.latest.replays),
    ),
)


class Tour:
    """Where the newcomer is. A step that has happened already is passed over."""

    def __init__(self) -> None:
        self._at = 0

    def line(self, app: ConsoleApp) -> str:
        """What to do next, with how far it is."""
        while self._at < len(STEPS) and STEPS[self._at][1](app):
            self._at += 1
        if self._at == len(STEPS):
            return "tour: done. q leaves, and nothing is left behind"
        return f"tour {self._at + 1}/{len(STEPS)}: {STEPS[self._at][0]}"
