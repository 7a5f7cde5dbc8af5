"""Screen 6, Replay: what was replayed, and the way through its recording, a record at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.model.evidence import Approval
from byteor_tui.model.player import Player
from byteor_tui.model.replays import Replay
from byteor_tui.model.text import age
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.replay_lines import detail, topology
from byteor_tui.screens.text_lines import Cell, Col, header, row
from byteor_tui.tones import Line, Tone

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp

COLS = (Col("VERDICT", 12), Col("OF", 20, tail=True), Col("AGE", 6, right=True), Col("MODE", 12))
TOPOLOGY_FROM = 110


class ReplayScreen(PairScreen):
    """``wanted_replay`` is what the app reads the recording of. The keys of time move by records here, and
    make the recording what every screen shows, until ``L``.
    """

    screen_id = "replay"

    def __init__(self) -> None:
        super().__init__()
        self.wanted_replay: Replay | None = None
        self._approvals: tuple[Approval, ...] = ()

    def content(self, view: View, chosen: str | None) -> Content:
        rows = {
            one.id: one
            for one in view.evidence.replays
            if self.passes(f"{one.id} {one.source} {one.verdict}", {})
        }
        self._approvals = view.evidence.approvals.rows
        one = self.wanted_replay = rows.get(chosen or "")
        now = view.now_unix_ns
        player = view.player
        where = (player.index, player.playing) if player is not None else None

        def draw(width: int) -> list[Line]:
            if one is None:
                return []
            lines = detail(one, view, width)
            if width >= TOPOLOGY_FROM and view.frame is not None and view.replaying:
                graph = topology(view, view.frame, width)
                lines = [*graph, (), *lines] if graph else lines
            return lines

        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=f"{sum(row.diverged > 0 and not row.in_doubt for row in rows.values())} diverged"
            f" of {len(rows)}",
            detail_title=f"{one.id}  {one.mode}" if one else "Replay",
            detail_note=f"effects withheld {one.withheld}" if one and one.withheld else "",
            detail=draw,
            stamp=(one, where, view.player_error, view.replaying),
            empty=(
                "no replays yet",
                "r on an incident or on the Overview:",
                "a dry run of what was captured",
            ),
        )

    def situation(self, now: Situation) -> Situation:
        one = self.wanted_replay
        if one is None:
            return now
        passed = one.certificate if one.mode == "dry_run" and one.verdict == "equal" else ""
        approved = next((asked.request_id for asked in self._approvals if covers(asked, one)), "")
        return msgspec.structs.replace(
            now,
            replay=one.what,
            certificate=passed,
            diverged=one.diverged,
            in_doubt=one.in_doubt,
            approved_request=approved,
        )

    def _along(self) -> Player | None:
        """The player, which every screen follows from now on; where there is little room it takes it all."""
        app: ConsoleApp = self.app  # type: ignore[assignment]
        if app.player is not None:
            app.replaying = True
            if not (self.zoomed or self.has_class("-mid") or self.has_class("-wide")):
                self.act_detail()
        return app.player

    def act_step(self) -> None:
        if (player := self._along()) is not None:
            player.move(1)

    def act_step_back(self) -> None:
        if (player := self._along()) is not None:
            player.move(-1)

    def act_play(self) -> None:
        if (player := self._along()) is not None:
            player.play(time.monotonic_ns())

    def act_divergence(self) -> None:
        self.act_next()

    def act_next(self) -> None:
        self._to_difference(1)

    def act_previous(self) -> None:
        self._to_difference(-1)

    def _to_difference(self, by: int) -> None:
        player = self._along()
        app: ConsoleApp = self.app  # type: ignore[assignment]
        if player is not None and not player.to_difference(by):
            where = "after" if by > 0 else "before"
            app.say(f"no record {where} this one differs" if player.recorded.differing else "nothing differs")

    def act_faster(self) -> None:
        self._speed(1)

    def act_slower(self) -> None:
        self._speed(-1)

    def _speed(self, by: int) -> None:
        if (player := self._along()) is not None:
            player.step_speed(by)


def covers(asked: Approval, one: Replay) -> bool:
    """Whether an approval is one to execute replays of this spec."""
    return asked.action == "replay_execute" and asked.state == "approved" and asked.spec_hash == one.spec_hash


def mark(one: Replay) -> Cell:
    if one.in_doubt:
        return ("?", Tone.WARN)
    return ("!", Tone.ALARM) if one.verdict != "equal" else (" ", Tone.DIM)


def cells(one: Replay, now_unix_ns: int) -> tuple[Cell, ...]:
    return (
        (one.verdict, Tone.GOOD if one.verdict == "equal" else mark(one)[1]),
        (one.what, Tone.PLAIN),
        (age(now_unix_ns - one.at_unix_ns), Tone.DIM),
        (f"{one.mode}, {one.records:,} records", Tone.PLAIN),
    )
