"""Screen 3, Approvals: the request, who answered, the clocks, and the diff that a signer must have seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from textual.containers import Container
from textual.widget import Widget

from byteor_tui.actions.registry import Need
from byteor_tui.actions.situation import Situation
from byteor_tui.model.evidence import Approval, Comment
from byteor_tui.model.policy import environment_of
from byteor_tui.model.seen import Piece, Seen
from byteor_tui.model.specs import Asked
from byteor_tui.model.text import age
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.request_lines import SECOND_NS, Drawn, diff_drawn, diff_title, terms_drawn
from byteor_tui.screens.text_lines import Cell, Col, header, row, title
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.rule import Rule
from byteor_tui.widgets.scroll_lines import ScrollLines

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp

COLS = (Col("STATE", 8), Col("REQUEST", 8), Col("LEFT", 7, right=True), Col("ENV", 7), Col("ASKS", 14))
ORDER = ("pending", "approved", "used", "denied", "revoked", "expired")
TONES = {"pending": Tone.WARN, "approved": Tone.GOOD, "denied": Tone.ALARM, "revoked": Tone.ALARM}
TOO_LOW = ("-low", "-flat", "-sliver")


class ApprovalsScreen(PairScreen):
    """Remembers which hunks of which request were on the screen. ``wanted_spec`` is read by the app.

    Where it is wide the diff has a column of its own; else it stands below the terms. ``_drawn`` is what
    each panel was last asked to show, with the document that it belongs to.
    """

    screen_id = "approvals"

    def __init__(self) -> None:
        super().__init__()
        self.wanted_spec = ""
        self.wanted_comments = ""
        self.on_diff = False
        self._seen = Seen()
        self._drawn: dict[str, tuple[str, list[Drawn]]] = {}
        self._document = ""
        self._chosen: Approval | None = None
        self._asked: Asked | None = None

    def compose_more(self) -> Iterable[Widget]:
        with Container(id="third"):
            yield Rule(id="diff-rule", classes="rule")
            yield ScrollLines(id="diff")

    def content(self, view: View, chosen: str | None) -> Content:
        found_all = view.evidence.approvals
        rows = {
            one.request_id: one
            for one in sorted(
                found_all.rows, key=lambda one: (ORDER.index(one.state), one.ends() or -one.created)
            )
            if self.passes(said(one), {})
        }
        now = view.now_unix_ns // SECOND_NS
        one = self._chosen = rows.get(chosen or "")
        self.wanted_spec = one.spec_hash if one is not None else ""
        self.wanted_comments = one.request_id if one is not None else ""
        comments = said_of(view, self.wanted_comments)
        asked = view.specs.asked
        self._asked = asked if asked is not None and asked.spec_hash == self.wanted_spec else None
        index = list(rows).index(one.request_id) + 1 if one is not None else 0
        environment = environment_of(one, view.evidence.environments) if one is not None else None
        certificate = one.certificate if one is not None else ""
        shown = next(
            (row for row in view.evidence.replays if certificate and row.digest == certificate), None
        )
        self._document = document_of(one, self._asked) if one is not None else ""
        asked, apart = self._asked, self.apart

        def draw(width: int) -> list[Line]:
            if one is None:
                return self._note_drawn("detail", [])
            lines = terms_drawn(one, asked, environment, shown, comments, view.kid, now, width)
            if not apart:
                lines += [((), None), (title(diff_title(asked)), None), *diff_drawn(asked, width)]
            return self._note_drawn("detail", lines)

        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=found_all.error or f"{view.open_requests} open of {len(found_all.rows)}",
            detail_title=f"{one.short}  {one.action} in {one.env}" if one else "Request",
            detail_note=f"{index} of {len(rows)}" if one else "",
            detail=draw,
            stamp=(one, asked, comments, now if one is not None and one.ends() else 0, view.kid, apart),
            empty=(
                found_all.error or "no requests",
                "byteor approval request SPEC --env=ENV --reason=TEXT makes one",
            ),
        )

    def draw_body(self, view: View) -> None:
        super().draw_body(view)
        if self.apart:
            tone = Tone.KEY if self.on_diff else Tone.TITLE
            unseen = len(self.unseen) if self._chosen is not None else 0
            self.rule("diff-rule", diff_title(self._asked), f"{unseen} unseen" if unseen else "", tone)
            self.diff_panel.show_all(self._document, (self._asked, self._chosen is None), self._draw_diff)
        if self._chosen is not None:
            self.call_after_refresh(self._note_seen)

    def _note_seen(self) -> None:
        """A frame was shown: what is in the windows was in it, unless it was drawn since or stands behind."""
        waits = self._layout_required or self._repaint_required or self._dirty_widgets
        if self._chosen is None or not self.is_current or self.app._batch_count or waits:
            return
        before = self.unseen
        for name, panel in self._panels():
            of, lines = self._drawn.get(name, ("", []))
            if of == self._document and len(lines) == panel.total:
                self._seen.note(of, (lines[index][1] for index in panel.window))
        if self.unseen != before:
            app: ConsoleApp = self.app  # type: ignore[assignment]
            app.paint()  # whether it may be signed now

    def _draw_diff(self, width: int) -> list[Line]:
        return self._note_drawn("diff", diff_drawn(self._asked, width) if self._chosen is not None else [])

    def _note_drawn(self, panel: str, lines: list[Drawn]) -> list[Line]:
        self._drawn[panel] = (self._document, lines)
        return [line for line, _ in lines]

    @property
    def apart(self) -> bool:
        """Whether the diff has a column of its own now."""
        return self.has_class("-wide") and not self.zoomed and not any(map(self.has_class, TOO_LOW))

    @property
    def diff_panel(self) -> ScrollLines:
        return self.query_one("#diff", ScrollLines)

    @property
    def moved_panel(self) -> ScrollLines:
        return self.diff_panel if self.on_diff and self.apart else self.detail_panel

    @property
    def told(self) -> Sequence[Line]:
        return [line for name, panel in self._panels() for line in (*panel.all_lines, ())]

    def _panels(self) -> list[tuple[str, ScrollLines]]:
        """Those that the request stands in now."""
        return [("detail", self.detail_panel), *([("diff", self.diff_panel)] if self.apart else [])]

    @property
    def unseen(self) -> list[int]:
        """Hunks of the request under the cursor that were not on the screen yet; 0 is its terms."""
        drawn = [self._drawn.get(name, ("", [])) for name, _ in self._panels()]
        if any(of != self._document or not lines for of, lines in drawn):
            return [0]  # not even drawn
        return self._seen.unseen(self._document, (piece for _, lines in drawn for _, piece in lines))

    def situation(self, now: Situation) -> Situation:
        here = self._asked is not None and bool(self._asked.path)
        unseen, why = len(self.unseen), ""
        if self._chosen is not None and not here:
            unseen, why = 1, f"needs {Need.ASKED_SPEC.value}"
        return msgspec.structs.replace(
            now, approval=self._chosen, unseen=unseen, unseen_why=why, asked_spec=here
        )

    def act_panel(self) -> None:
        """List, request, diff where it stands apart, and the list again."""
        if self.on_detail and not self.on_diff and self.apart:
            self.on_diff = True
            return
        self.on_diff = False
        super().act_panel()

    def act_next(self) -> None:
        """The next hunk that was not seen, else the next one."""
        if not self.uncover_detail():
            self._to_hunk(forward=True)

    def act_previous(self) -> None:
        self._to_hunk(forward=False)

    def _to_hunk(self, *, forward: bool) -> None:
        unseen = self.unseen
        name, panel = self._panels()[-1]
        if forward and unseen and self._first_lines("detail").get(unseen[0]) is not None:
            name, panel = "detail", self.detail_panel
        first = self._first_lines(name)
        if forward and unseen and unseen[0] in first:
            panel.to_line(max(0, first[unseen[0]] - 1))
        elif forward:
            panel.to_line(next((i for i in sorted(first.values()) if i > panel.top), panel.total))
        else:
            panel.to_line(next((i for i in sorted(first.values(), reverse=True) if i < panel.top), 0))

    def _first_lines(self, panel: str) -> dict[int, int]:
        """Of each hunk in a panel its first line, of a hunk that was not seen whole the first such line."""
        unseen = self.unseen
        first: dict[int, int] = {}
        for index, (_, piece) in enumerate(self._drawn.get(panel, ("", []))[1]):
            if piece is not None and (piece.hunk not in unseen or not self._was_seen(piece)):
                first.setdefault(piece.hunk, index)
        return first

    def _was_seen(self, piece: Piece) -> bool:
        return not self._seen.unseen(self._document, (piece,))


def said_of(view: View, request_id: str) -> tuple[Comment, ...]:
    """The comments on a request, as far as they were read: another one's are none."""
    found = view.evidence.comments
    return found.rows if found.request_id == request_id else ()


def said(one: Approval) -> str:
    return " ".join((one.state, one.request_id, one.env, one.action, one.requester, one.reason))


def document_of(one: Approval, asked: Asked | None) -> str:
    """What was on the screen, by digests: the request's text and the two specs of its diff."""
    return f"{one.digest}/{asked.base if asked else '-'}/{asked.spec_hash if asked and asked.path else '-'}"


def mark(one: Approval) -> Cell:
    return ("A", Tone.WARN) if one.open else (" ", Tone.DIM)


def cells(one: Approval, now: int) -> tuple[Cell, ...]:
    left = age((one.ends() - now) * SECOND_NS) if one.ends() else "-"
    return (
        (one.state, TONES.get(one.state, Tone.DIM)),
        (one.short, Tone.PLAIN),
        (left, Tone.DIM),
        (one.env, Tone.PLAIN),
        (f"{one.requester}: {one.reason}", Tone.PLAIN),
    )
