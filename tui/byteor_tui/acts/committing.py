"""The four keys that change the world: each opens the armed dialog, bound to identity and revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from byteor.errors import ByteorError
from byteor_tui.actions import commands
from byteor_tui.model.arming import Armed, Commit, Target, new_code
from byteor_tui.model.text import refusal, short_hash

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp
    from byteor_tui.model.evidence import Approval, Environment


def sign(app: ConsoleApp) -> None:
    now = app.situation()
    asked = now.approval
    if asked is None:
        return
    facts = (
        ("you sign", f"{asked.digest} = terms, diff, dry run and clocks as shown"),
        ("effect", _effect(app, asked)),
        ("may do", ", ".join(asked.capabilities) or "no side effect"),
        ("with", f"{now.kid}, {now.key_file}"),
    )
    argv = commands.approve(asked.request_id, asked.digest, now.kid, now.key_file)
    _arm(
        app,
        Armed(
            act="sign",
            title=f"SIGN {asked.short}: {asked.action.upper()} IN {asked.env.upper()}",
            target=_request_target(asked),
            name=asked.short,
            seen_unix_ns=time.time_ns(),
            argv=argv,
            facts=facts,
            code=_code(asked.posture),
            born_s=time.monotonic(),
            verb="sign",
            needs_secret=commands.key_is_encrypted(now.key_file),
            shape=asked.posture,
        ),
        lambda: _current_request(app, asked.request_id),
    )


def _effect(app: ConsoleApp, asked: Approval) -> str:
    """What the signature lets happen; of a replay with the messages that its dry run withheld."""
    said = f"{asked.action} in {asked.where}, spec {short_hash(asked.spec_hash)}"
    replays = app.collector.latest.replays
    shown = next((one for one in replays if asked.certificate and one.digest == asked.certificate), None)
    if asked.action != "replay_execute" or shown is None:
        return said
    return f"{said}: {shown.withheld:,} messages that the dry run withheld reach stages that act"


def deny(app: ConsoleApp) -> None:
    now = app.situation()
    asked = now.approval
    if asked is None or app.front is None:
        return

    def arm(reason: str | None) -> None:
        if reason is None:
            return
        if not reason.strip():
            app.say("a denial needs a reason", ok=False)
            app.paint()
            return
        facts = (
            ("you deny", asked.digest),
            ("effect", "the request ends; one no of somebody who could approve is enough"),
            ("reason", reason.strip()),
            ("with", f"{now.kid}, {now.key_file}"),
        )
        argv = commands.deny(asked.request_id, asked.digest, reason.strip(), now.kid, now.key_file)
        _arm(
            app,
            Armed(
                act="deny",
                title=f"DENY {asked.short}: {asked.action.upper()} IN {asked.env.upper()}",
                target=_request_target(asked),
                name=asked.short,
                seen_unix_ns=time.time_ns(),
                argv=argv,
                facts=facts,
                code=_code(asked.posture),
                born_s=time.monotonic(),
                verb="deny",
                needs_secret=commands.key_is_encrypted(now.key_file),
                shape=asked.posture,
            ),
            lambda: _current_request(app, asked.request_id),
        )

    app.front.prompt.ask("why not", arm)


def execute(app: ConsoleApp) -> None:
    now = app.situation()
    environment = app.view().environment
    posture = environment.posture if environment is not None else "prod"
    chosen = next((one for one in app.collector.latest.replays if one.id == app.here.item), None)
    if chosen is None:
        return
    try:
        folder = commands.evidence_folder("replays")
    except (ByteorError, OSError) as error:
        app.say(f"no place for replays: {refusal(error)}", ok=False)
        return
    facts = (
        ("effect", f"{chosen.records:,} records go again, now with every side effect"),
        ("replay", chosen.id),
        ("of", chosen.source),
        ("dry run", f"{chosen.verdict}: {chosen.certificate or 'no certificate'}"),
        ("approval", now.approved_request),
    )
    armed = Armed(
        act="execute",
        title=f"EXECUTE IN {now.env.upper()}: REPLAY {chosen.short}",
        target=Target("replay", chosen.id, f"{chosen.certificate}/{chosen.records}"),
        name=chosen.short,
        seen_unix_ns=time.time_ns(),
        argv=commands.execute(
            chosen.what, now.env, now.approved_request, chosen.certificate, time.time_ns(), folder
        ),
        facts=facts,
        code=_code(posture),
        born_s=time.monotonic(),
        verb="execute",
        shape=posture,
    )

    def current() -> Target | None:
        found = next((one for one in app.collector.latest.replays if one.id == chosen.id), None)
        return Target("replay", found.id, f"{found.certificate}/{found.records}") if found else None

    _arm(app, armed, current)


def freeze_env(app: ConsoleApp) -> None:
    name = app.situation().env
    if app.front is None:
        return
    known = _environment(app, name)
    if known is not None and known.frozen:
        _unfreeze(app, known)
        return

    def arm(reason: str | None) -> None:
        if reason is None:
            return
        if not reason.strip():
            app.say("a freeze needs a reason", ok=False)
            app.paint()
            return
        environment = _environment(app, name)
        posture = environment.posture if environment is not None else "prod"
        armed = Armed(
            act="freeze",
            title=f"FREEZE {name.upper()}",
            target=_environment_target(environment, name),
            name=name,
            seen_unix_ns=time.time_ns(),
            argv=commands.freeze(name, reason.strip()),
            facts=(
                ("effect", f"every side effect in {name} is denied within a second, for everybody"),
                ("back", "two people lift it: byteor unfreeze"),
                ("reason", reason.strip()),
            ),
            code=_code(posture),
            born_s=time.monotonic(),
            verb="freeze",
            shape=posture,
        )
        _arm(app, armed, lambda: _environment_target(_environment(app, name), name))

    app.front.prompt.ask(f"freeze {name}, reason", arm)


def _unfreeze(app: ConsoleApp, environment: Environment) -> None:
    """Sign that the freeze ends; it does when a second person has signed, too."""
    now, name = app.situation(), environment.name
    if not (now.kid and now.key_file):
        app.say(
            f"{name} is frozen ({environment.frozen}); lifting needs your key: --kid, --key-file", ok=False
        )
        return
    armed = Armed(
        act="unfreeze",
        title=f"LIFT THE FREEZE OF {name.upper()}",
        target=_environment_target(environment, name),
        name=name,
        seen_unix_ns=time.time_ns(),
        argv=commands.unfreeze(name, now.kid, now.key_file),
        facts=(
            ("frozen", environment.frozen),
            ("effect", "with a second person's signature side effects go on, and what was held goes out"),
            ("with", f"{now.kid}, {now.key_file}"),
        ),
        code=_code(environment.posture),
        born_s=time.monotonic(),
        verb="lift it",
        needs_secret=commands.key_is_encrypted(now.key_file),
        shape=environment.posture,
    )
    _arm(app, armed, lambda: _environment_target(_environment(app, name), name))


def _arm(app: ConsoleApp, armed: Armed, current: Callable[[], Target | None]) -> None:
    from byteor_tui.screens.armed import ArmedScreen

    def decided(commit: Commit | None) -> None:
        if commit is None:
            app.say(f"{armed.act} cancelled: nothing was done")
        else:
            app.run_act(commit.argv, commit)
        app.paint()

    app.push_screen(ArmedScreen(armed, current, app.glyphs), decided)


def _code(posture: str) -> str:
    """Four random characters; in dev the letter Y in the same dialog."""
    return "Y" if posture == "dev" else new_code()


def _request_target(asked: Approval) -> Target:
    return Target("request", asked.request_id, asked.revision)


def _current_request(app: ConsoleApp, request_id: str) -> Target | None:
    rows = app.collector.latest.approvals.rows
    return next((_request_target(row) for row in rows if row.request_id == request_id), None)


def _environment(app: ConsoleApp, name: str) -> Environment | None:
    return next((one for one in app.collector.latest.environments if one.name == name), None)


def _environment_target(environment: Environment | None, name: str) -> Target:
    said = (environment.posture, environment.side_effects, environment.frozen) if environment else ()
    return Target("environment", name, "/".join(said))


HANDLERS = {"sign": sign, "deny": deny, "execute": execute, "freeze_env": freeze_env}
