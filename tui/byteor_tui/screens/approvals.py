"""Screen 3, Approvals: the request, who answered, the clocks, and the diff that a signer must have seen."""

from __future__ import annotations

import msgspec

from byteor_tui.actions.situation import Situation, why_not_mine
from byteor_tui.model.evidence import Approval, Environment
from byteor_tui.model.policy import environment_of, reason_for
from byteor_tui.model.replays import Replay
from byteor_tui.model.seen import Piece, Seen
from byteor_tui.model.specs import Asked
from byteor_tui.model.text import age, day_clock, short_hash, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.diff import hunk_line
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, field, fields, header, paragraph, row, title
from byteor_tui.tones import Line, Tone

COLS = (Col("STATE", 8), Col("REQUEST", 8), Col("LEFT", 7, right=True), Col("ENV", 10), Col("ASKS", 14))
ORDER = ("pending", "approved", "used", "denied", "revoked", "expired")
TONES = {"pending": Tone.WARN, "approved": Tone.GOOD, "denied": Tone.ALARM, "revoked": Tone.ALARM}
SECOND_NS = 1_000_000_000
Drawn = tuple[Line, Piece | None]


class ApprovalsScreen(PairScreen):
    """Remembers which hunks of which request were on the screen. ``wanted_spec`` is read by the app."""

    screen_id = "approvals"

    def __init__(self) -> None:
        super().__init__()
        self.wanted_spec = ""
        self._seen = Seen()
        self._drawn: list[Drawn] = []
        self._document = ""
        self._chosen: Approval | None = None
        self._asked: Asked | None = None

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
        asked = view.specs.asked
        self._asked = asked if asked is not None and asked.spec_hash == self.wanted_spec else None
        index = list(rows).index(one.request_id) + 1 if one is not None else 0

        def draw(width: int) -> list[Line]:
            if one is None:
                self._drawn = []
                return []
            environment = environment_of(one, view.evidence.environments)
            shown = next((row for row in view.evidence.replays if row.digest == one.certificate), None)
            self._drawn = drawn(one, self._asked, environment, shown, view.kid, now, width)
            self._document = document_of(one, self._asked)
            return [line for line, _ in self._drawn]

        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=found_all.error or f"{view.open_requests} open of {len(found_all.rows)}",
            detail_title=f"{one.short}  {one.action} in {one.env}" if one else "Request",
            detail_note=f"{index} of {len(rows)}" if one else "",
            detail=draw,
            stamp=(one, self._asked, now if one is not None and one.ends() else 0, view.kid),
            empty=(
                found_all.error or "no requests",
                "byteor approval request SPEC --env=ENV --reason=TEXT makes one",
            ),
        )

    def draw_body(self, view: View) -> None:
        super().draw_body(view)
        window = self.detail_panel.window
        if self._chosen is not None and len(self._drawn) == self.detail_panel.total:
            self._seen.note(self._document, (self._drawn[index][1] for index in window))

    @property
    def unseen(self) -> list[int]:
        """Hunks of the request under the cursor that were not on the screen yet; 0 is its terms."""
        return self._seen.unseen(self._document, (piece for _, piece in self._drawn))

    def situation(self, now: Situation) -> Situation:
        asked = self._asked
        unseen, why = len(self.unseen) if self._drawn else 1, ""
        if self._chosen is not None and (asked is None or not asked.path):
            unseen, why = (
                1,
                "the asked spec is not on this host: start with --spec FILE, or run from its folder",
            )
        return msgspec.structs.replace(now, approval=self._chosen, unseen=unseen, unseen_why=why)

    def act_next(self) -> None:
        """The next hunk that was not seen, else the next one."""
        if not self.uncover_detail():
            self._to_hunk(forward=True)

    def act_previous(self) -> None:
        self._to_hunk(forward=False)

    def _to_hunk(self, *, forward: bool) -> None:
        panel = self.detail_panel
        unseen = self.unseen
        first: dict[int, int] = {}
        for index, (_, piece) in enumerate(self._drawn):
            if piece is not None and (piece.hunk not in unseen or not self._was_seen(piece)):
                first.setdefault(piece.hunk, index)
        if forward and unseen and unseen[0] in first:
            panel.to_line(max(0, first[unseen[0]] - 1))
        elif forward:
            panel.to_line(next((i for i in sorted(first.values()) if i > panel.top), panel.total))
        else:
            panel.to_line(next((i for i in sorted(first.values(), reverse=True) if i < panel.top), 0))

    def _was_seen(self, piece: Piece) -> bool:
        return not self._seen.unseen(self._document, (piece,))


def _urgency(one: Approval) -> tuple[int, int]:
    return (ORDER.index(one.state), one.ends() or -one.created)


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


def drawn(
    one: Approval,
    asked: Asked | None,
    environment: Environment | None,
    shown: Replay | None,
    kid: str,
    now: int,
    width: int,
) -> list[Drawn]:
    """Everything of a request, each line with the piece of a hunk that it is. Hunk 0 are the terms."""
    terms = [
        *_terms(one, shown, now, width),
        *_people(one, kid, width),
        *_changes(one, asked, shown, width),
        *_policy(one, environment, width),
    ]
    lines: list[Drawn] = [(line, Piece(0, index)) for index, line in enumerate(terms)]
    lines.append(((), None))
    if asked is None or not asked.path:
        said = "reading the asked spec ..." if asked is None else "the asked spec is not on this host"
        return lines + [(line, None) for line in paragraph(said, width, Tone.WARN)]
    hunks = 1 + max((piece.hunk for piece in asked.diff), default=-1)
    if not asked.diff:
        return [*lines, (((" the spec that runs is the one that is asked for", Tone.GOOD),), None)]
    base = f"running {short_hash(asked.base)}" if asked.base else "nothing runs here"
    head = f" diff  {base} -> asked {short_hash(asked.spec_hash)}, {hunks} hunks"
    lines.append((((head, Tone.HEAD),), None))
    for index, hunk in enumerate(asked.diff):
        parts = hunk_line(hunk, width)
        lines += [(line, Piece(hunk.hunk + 1, index, part, len(parts))) for part, line in enumerate(parts)]
    return lines


def _dry_run(one: Approval, shown: Replay | None) -> str:
    """The dry run that the request shows: how it went, when this host has it."""
    if not one.certificate:
        return "none was shown"
    if shown is None:
        return f"{short_hash(one.certificate)}, not on this host"
    went = f"{shown.verdict}, {shown.records:,} records, effects withheld {shown.withheld:,}"
    return f"{short_hash(one.certificate)} at {wall_clock(shown.at_unix_ns)}: {went}"


def _terms(one: Approval, shown: Replay | None, now: int, width: int) -> list[Line]:
    uses = f"{one.uses} of {one.max_uses}"
    ends = one.ends()
    left = age((ends - now) * SECOND_NS) + " left" if ends else one.state
    return fields(
        (
            ("asks", f'{one.requester}, {age((now - one.created) * SECOND_NS)} ago: "{one.reason}"'),
            ("target", f"{one.action} in {one.env} ({one.posture}), spec {short_hash(one.spec_hash)}"),
            ("may do", ", ".join(one.capabilities) or "no side effect"),
            (
                "clocks",
                f"{left}; answers to {_at(one.request_ends, now)}, valid to {_at(one.approval_ends, now)}",
            ),
            ("key set", _keys(one, now)),
            ("run time", _run_time(one, shown, now)),
            ("uses", uses),
            ("dry run", _dry_run(one, shown)),
            ("digest", one.digest),
        ),
        width,
    )


def _keys(one: Approval, now: int) -> str:
    """How long the keys count by which it is judged; who signs then signs nothing."""
    if not one.keys_end:
        return ""
    left = age((one.keys_end - now) * SECOND_NS)
    if one.keys_end <= now:
        return "has ended: no answer counts until there is a new one"
    short = "; ends before the approval does" if one.keys_end < one.approval_ends else ""
    return f"{left} left, to {_at(one.keys_end, now)}{short}"


def _run_time(one: Approval, shown: Replay | None, now: int) -> str:
    """Of a replay, as its dry run took, with its stages' effects left out; a run has no end to tell."""
    if shown is None or not shown.took_ns or one.action != "replay_execute":
        return ""
    fits = now + shown.took_ns // SECOND_NS < one.approval_ends
    least = f"{shown.took_ns / SECOND_NS:.1f} s" if shown.took_ns < 60 * SECOND_NS else age(shown.took_ns)
    return f"{least} in the dry run, effects come on top -> {'fits' if fits else 'does not fit'}"


def _at(unix_s: int, now_s: int) -> str:
    return day_clock(unix_s * SECOND_NS, now_s * SECOND_NS)


def _people(one: Approval, kid: str, width: int) -> list[Line]:
    quorum = ", ".join(f"{n} of {group if group != '*' else 'anybody'}" for group, n in one.quorum)
    needed = sum(n for _, n in one.quorum)
    lines = field("quorum", f"{quorum}: {len(one.approved_by)} of {needed}", width)
    for who in one.approved_by:
        lines += field("", f"[x] {who}", width, Tone.GOOD)
    if one.denied_by:
        lines += field("", f"[-] denied by {one.denied_by}", width, Tone.ALARM)
    able = [signer.principal for signer in one.signers if signer.can]
    if one.open:
        lines += field("", f"[ ] still can: {', '.join(able) or 'nobody'}", width)
    for who, why in one.void:
        lines += field("not counted", f"{who}: {why}", width, Tone.WARN)
    refusal = why_not_mine(one, kid)
    if one.open:
        lines += field("you", refusal or f"may sign with {kid}", width, Tone.WARN if refusal else Tone.GOOD)
    return lines


def _changes(one: Approval, asked: Asked | None, shown: Replay | None, width: int) -> list[Line]:
    """What will be otherwise, the gravest first; nothing here is a figure that nobody measured."""
    lines: list[Line] = []
    for name in asked.gained if asked is not None else ():
        kind, _, place = name.partition(":")
        what = f"! new {kind} {place}: it has no such right now" if place else f"! new {name}"
        lines += paragraph(what, width, Tone.ALARM)
    for name in asked.lost if asked is not None else ():
        lines += paragraph(f"gives up {name}", width)
    if one.action == "replay_execute" and shown is not None:
        what = (
            f"! {shown.withheld:,} messages that the dry run withheld reach stages that act; not reversible"
        )
        lines += paragraph(what, width, Tone.ALARM if shown.withheld else Tone.PLAIN)
    elif one.posture == "prod" and one.capabilities:
        lines += paragraph("! prod: what leaves the machine does not come back", width, Tone.ALARM)
    if one.max_uses > 1:
        lines += paragraph(f"covers {one.max_uses} runs, not one", width, Tone.WARN)
    return [title("what changes"), *(lines or paragraph("no right is gained or lost", width, Tone.GOOD))]


def _policy(one: Approval, environment: Environment | None, width: int) -> list[Line]:
    if environment is None:
        return paragraph(f"{one.env} is no environment of this host", width, Tone.WARN)
    found = reason_for(environment, replay=one.action == "replay_execute")
    lines = [title("policy"), *paragraph(found.text, width)]
    if environment.frozen:
        lines += field("FROZEN", environment.frozen, width, Tone.ALARM)
    return lines
