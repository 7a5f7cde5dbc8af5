"""What an act's needs are judged against, as a value, and the sentence that says what is missing."""

from __future__ import annotations

import msgspec

from byteor_tui.actions.registry import Action, Danger, Need, on_screen
from byteor_tui.model.evidence import Approval, Incident


class Situation(msgspec.Struct, frozen=True):
    """What is under the cursor and what the console was given. ``unseen`` counts hunks not yet on screen."""

    run: bool = False
    command: bool = False
    alerts: int = 0
    at_cursor: bool = False
    read_only: bool = False
    kid: str = ""
    key_file: str = ""
    half: str = ""
    env: str = ""
    approval: Approval | None = None
    unseen: int = 0
    unseen_why: str = ""
    asked_spec: bool = False
    incident: Incident | None = None
    replay: str = ""
    certificate: str = ""
    approved_request: str = ""
    demo: bool = False
    web: bool = False
    replayed: bool = False
    entry: int = -1
    diverged: int = 0
    in_doubt: bool = False


def holds(need: Need, now: Situation) -> bool:
    """Whether one need is met."""
    asked = now.approval
    return {
        Need.RUN: now.run,
        Need.COMMAND: now.command,
        Need.LIVE: not now.at_cursor,
        Need.WRITE: not now.read_only,
        Need.REQUEST: asked is not None,
        Need.OPEN_REQUEST: asked is not None and asked.open,
        Need.SEEN: now.unseen == 0,
        Need.ASKED_SPEC: now.asked_spec,
        Need.KEY: bool(now.kid and now.key_file),
        Need.MAY_SIGN: asked is not None and not why_not_mine(asked, now.kid),
        Need.INCIDENT: now.incident is not None,
        Need.REPLAY: bool(now.replay),
        Need.CERTIFICATE: bool(now.certificate),
        Need.APPROVED: bool(now.approved_request),
        Need.ENVIRONMENT: bool(now.env),
        Need.ALERT: now.alerts > 0,
        Need.DEMO: now.demo,
        Need.HERE: not now.web,
        Need.RECORDING: now.replayed,
        Need.ENTRY: now.entry >= 0,
    }[need]


def missing(action: Action, now: Situation) -> Need | None:
    """The first need that is not met; None when the key is alive."""
    return next((need for need in action.needs if not holds(need, now)), None)


def reason(need: Need, now: Situation) -> str:
    """Why ``need`` is not met, and what would help."""
    asked = now.approval
    if need is Need.SEEN:
        return now.unseen_why or f"{now.unseen} hunk(s) not seen yet: n shows the next"
    if need is Need.KEY and now.half:
        return now.half
    if need is Need.OPEN_REQUEST and asked is not None:
        return f"the request is {asked.state}; it takes no more answers"
    if need is Need.MAY_SIGN and asked is not None:
        return why_not_mine(asked, now.kid)
    if need is Need.CERTIFICATE and now.in_doubt:
        return f"{now.diverged} outputs differ, but it began in the middle of the run: r and all tells"
    if need is Need.CERTIFICATE and now.diverged:
        return f"{now.diverged} outputs differ from the recording: mend the stage, then r replays again"
    return f"needs {need.value}"


def why_dead(key: str, now: Situation, screen: str, actions: tuple[Action, ...]) -> str:
    """The sentence for somebody who pressed a key that is dead here; empty for a living or unbound one."""
    act = next((one for one in on_screen(screen, actions=actions) if key in one.keys), None)
    if act is None:
        return ""
    if now.read_only and act.danger is Danger.COMMITS:
        return f"{act.label}: this console was started with --read-only, which binds no key that commits"
    need = missing(act, now)
    return "" if need is None else f"{act.label}: {reason(need, now)}"


def why_not_mine(asked: Approval, kid: str) -> str:
    """Why the key ``kid`` cannot answer ``asked``; empty when it can."""
    if not kid:
        return f"needs {Need.KEY.value}"
    mine = next((signer for signer in asked.signers if signer.kid == kid), None)
    if mine is None:
        return f"the key {kid} is not in the trusted key set"
    return "" if mine.can else f"{mine.principal} {mine.why}"
