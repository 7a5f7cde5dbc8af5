"""What a request says, line by line: terms, who answered, what changes, policy, and the diff it asks for."""

from __future__ import annotations

from byteor_tui.actions.situation import why_not_mine
from byteor_tui.model.evidence import Approval, Comment, Environment
from byteor_tui.model.policy import reason_for
from byteor_tui.model.replays import Replay
from byteor_tui.model.seen import Piece
from byteor_tui.model.specs import Asked
from byteor_tui.model.text import age, day_clock, numbered, short_hash, wall_clock
from byteor_tui.screens.diff import hunk_line
from byteor_tui.screens.text_lines import cut, field, fields, paragraph, title
from byteor_tui.tones import Line, Tone

SECOND_NS = 1_000_000_000
COMMENTS, WORDS = 5, 500
Drawn = tuple[Line, Piece | None]


def terms_drawn(
    one: Approval,
    asked: Asked | None,
    environment: Environment | None,
    shown: Replay | None,
    comments: tuple[Comment, ...],
    kid: str,
    now: int,
    width: int,
) -> list[Drawn]:
    """Everything of a request but its diff, each line with the piece of a hunk that it is: hunk 0.

    Comments are of no hunk: nobody signs them, and nobody can hold up a signature by writing many.
    """
    head = [*_terms(one, shown, now, width), *_people(one, kid, width)]
    tail = [*_changes(one, asked, shown, width), *_policy(one, environment, width)]
    terms: list[Drawn] = [(line, Piece(0, index)) for index, line in enumerate([*head, *tail])]
    said: list[Drawn] = [(line, None) for line in comments_drawn(comments, now, width)]
    return [*terms[: len(head)], *said, *terms[len(head) :]]


def comments_drawn(comments: tuple[Comment, ...], now: int, width: int) -> list[Line]:
    """The newest comments. Words stand further in than who said them: none can pass for another's."""
    if not comments:
        return []
    shown = comments[-COMMENTS:]
    before = f", the last {len(shown)}; 7 has all" if len(shown) < len(comments) else ""
    lines = [title(f"{numbered(len(comments), 'comment')}{before}")]
    for one in shown:
        words = one.text or "(erased)"
        if len(words) > WORDS:
            words = f"{words[:WORDS]} ... ({len(words):,} characters)"
        who = f" {cut(one.actor, 24).rstrip()} at {day_clock(one.at_unix_ns, now * SECOND_NS)}"
        lines.append(((who, Tone.KEY), (f"  audit #{one.audit_seq}", Tone.DIM)))
        lines += paragraph(words, width, indent=3)
    return lines


def diff_title(asked: Asked | None) -> str:
    """The two specs that are compared."""
    if asked is None or not asked.path:
        return "diff"
    base = f"running {short_hash(asked.base)}" if asked.base else "nothing runs here"
    hunks = 1 + max((piece.hunk for piece in asked.diff), default=-1)
    said = f"diff  {base} -> asked {short_hash(asked.spec_hash)}"
    return f"{said}, {numbered(hunks, 'hunk')}" if hunks else said


def diff_drawn(asked: Asked | None, width: int) -> list[Drawn]:
    """The hunks of what is asked for, from 1; or the sentence that says why there is none."""
    if asked is None or not asked.path:
        said = "reading the asked spec ..." if asked is None else "the asked spec is not on this host"
        return [(line, None) for line in paragraph(said, width, Tone.WARN)]
    if not asked.diff:
        return [(line, None) for line in paragraph("it asks for the spec that runs", width, Tone.GOOD)]
    lines: list[Drawn] = []
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
            ("target", f"{one.action} in {one.where}, spec {short_hash(one.spec_hash)}"),
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
