"""How much is replayed, and what is asked for where policy refuses: what is typed, and the argv that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual import events
from textual.pilot import Pilot

from byteor_tui.actions import commands, verbs
from byteor_tui.actions.registry import Danger, on_screen
from byteor_tui.app import ConsoleApp
from byteor_tui.model.evidence import Environment
from byteor_tui.model.policy import reduced
from byteor_tui.model.specs import DiffLine, SpecText
from byteor_tui.screens.approvals import ApprovalsScreen
from byteor_tui.shot import screen_text
from byteor_tui.widgets.prompt import Prompt
from tests.tui.test_keys import play
from tests.tui.waiting import shown, until
from tests.tui.world import still_app

PROD = Environment("p/prod", "prod", "prod", "disabled", "deny_all", "2 of sre", True)
LAB = Environment("p/lab", "lab", "staging", "allowed", "require_approval", "1 of sre", True)


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("all", ()),
        ("", ()),
        (" last 5,000", ("--last=5000",)),
        ("120..480", ("--from=120", "--to=480")),
        ("7 .. 7", ("--from=7", "--to=7")),
    ],
)
def test_a_range_is_typed_as_people_say_it(typed: str, options: tuple[str, ...]) -> None:
    assert commands.span(typed) == options


@pytest.mark.parametrize("typed", ["last", "last 0", "9..3", "-5", "everything", "last 5 --mode=execute"])
def test_what_is_no_range_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="no range"):
        commands.span(typed)


def spec(label: str, *rights: str) -> SpecText:
    return SpecText(label, f"/specs/{label}", "p", f"sha256:{label}", (), rights)


def test_the_smaller_request_is_a_smaller_spec_first_then_another_place() -> None:
    asked, less = spec("asked", "http_post", "exec"), spec("less")
    found = reduced(asked, (asked, less), PROD, (PROD, LAB), replay=False)
    assert found is not None and (found.spec, found.env) == ("/specs/less", "prod")
    found = reduced(asked, (asked,), PROD, (PROD, LAB), replay=False)
    assert found is not None and (found.spec, found.env) == ("/specs/asked", "lab")
    assert reduced(asked, (asked,), PROD, (PROD,), replay=False) is None
    frozen = msgspec.structs.replace(LAB, frozen="op: stop")
    assert reduced(asked, (asked,), PROD, (PROD, frozen), replay=False) is None
    assert reduced(asked, (asked, less), LAB, (PROD, LAB), replay=False) is None, "it is not refused there"


KEYS = {":": "colon", " ": "space"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def run_verb(argv: tuple[str, ...]) -> verbs.VerbResult:
        found.append(argv)
        return verbs.VerbResult(argv, 0, {})

    monkeypatch.setattr("byteor_tui.working.run_verb", run_verb)
    return found


def test_r_asks_how_much_and_enter_takes_all(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]]
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("incidents")
        await until(pilot, lambda: app.situation().incident)
        await pilot.press("r")
        await shown(pilot, "dry run of INC-20260101-0017")
        assert not ran
        await pilot.press("enter")
        await until(pilot, lambda: app.here.screen == "replay" and len(ran) == 1)
        await pilot.press("r", "ctrl+u", *"last 20", "enter")
        await until(pilot, lambda: len(ran) == 2)
        await pilot.press("r", "ctrl+u", *"some", "enter")
        await shown(pilot, "no range")
        assert [[one for one in argv if one.startswith(("--last", "--from"))] for argv in ran] == [
            [],
            ["--last=20"],
        ]

    play(still_app(monkeypatch, private, sample), story)


def test_what_is_typed_faster_than_the_prompt_opens_is_text_and_no_act(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]]
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        for key, letter in (("slash", "/"), ("s", "s"), ("i", "i"), ("q", "q")):
            app.post_message(events.Key(key, letter))
        await until(pilot, lambda: app.screen.query_one(Prompt).typed == "siq")
        assert not ran and app.is_running

    play(still_app(monkeypatch, private, sample), story)


def test_what_is_typed_faster_than_the_palette_opens_is_looked_for(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]]
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        def type_at_once(text: str) -> None:
            for letter in text:
                app.post_message(events.Key(KEYS.get(letter, letter), letter))

        type_at_once(":stage detect")
        await until(pilot, lambda: " : stage detect_" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: (app.here.screen, app.here.item) == ("stages", "detect"))
        type_at_once("ga")
        await until(pilot, lambda: app.here.screen == "approvals")
        assert not ran and app.is_running

    play(still_app(monkeypatch, private, sample), story)


@pytest.mark.parametrize(("size", "apart"), [((200, 60), True), ((120, 40), False), ((200, 20), False)])
def test_a_wide_diff_stands_apart_and_counts_as_seen_only_where_it_was(
    private: Path,
    sample: Any,
    monkeypatch: pytest.MonkeyPatch,
    ran: list[tuple[str, ...]],
    size: tuple[int, int],
    apart: bool,
) -> None:
    app = still_app(monkeypatch, private, sample)
    asked = app.collector.specs.asked
    assert asked is not None
    long = tuple(DiffLine(" ", f"line {number}", 0) for number in range(200))
    last = (DiffLine("@", "the end", 1), DiffLine("+", "what decides", 1))
    app.collector.specs = msgspec.structs.replace(
        app.collector.specs, asked=msgspec.structs.replace(asked, diff=(*asked.diff, *long, *last))
    )

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals")
        await until(pilot, lambda: app.here.item)
        screen = app.screen
        assert isinstance(screen, ApprovalsScreen) and screen.apart is apart
        assert "what decides" not in screen_text(app)
        await until(
            pilot, lambda: 2 in screen.unseen or size[1] == 20
        )  # the last hunk is below, or nothing seen
        assert app.situation().unseen and screen.query_one("#third").display is apart
        last_panel = screen.diff_panel if apart else screen.detail_panel
        last_panel.to_line(last_panel.total)
        app.paint()
        last_panel.to_line(0)
        app.paint()
        await pilot.pause()
        assert size[1] == 20 or 2 in screen.unseen, "it was drawn, and drawn over before it was shown"
        if apart:
            assert "clocks" in screen_text(app) and "what decides" not in screen.detail_panel.text
            await pilot.press("tab", "tab", "G")
        else:
            await pilot.press("tab")
            await until(pilot, lambda: screen.detail_panel.window)
            await pilot.press("G")
        await shown(pilot, "what decides")
        await until(pilot, lambda: 2 not in screen.unseen)
        assert 1 in screen.unseen, "its middle was never on the screen"
        for _ in range(60):
            if not screen.unseen:
                break
            await pilot.press("n")
            await pilot.pause(0.02)
        assert app.situation().unseen == 0

    play(app, story, size)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_dead_key_says_why_it_does_nothing(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]], read_only: bool
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals")
        await until(pilot, lambda: app.here.item)
        acts = [act for act in on_screen("approvals") if act.danger is not Danger.LOOKS]
        assert {act.id for act in acts} >= {"sign", "deny", "freeze_env"}
        for act in acts if read_only else [act for act in acts if act.id == "sign"]:
            before = len(app.log_pane.entries)
            await pilot.press(act.keys[0])
            assert isinstance(app.screen, ApprovalsScreen) and not app.screen.prompt.open, act.id
            said = app.log_pane.entries[before:]
            assert len(said) == 1 and said[0].text.startswith(f"{act.label}: "), act.id
            assert ("read-only" if read_only else "not seen yet") in said[0].text, said[0].text
        assert not ran

    app = still_app(monkeypatch, private, sample, read_only=read_only)
    play(app, story, (80, 24))


def test_x_in_the_why_sheet_asks_for_the_smaller_request(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]]
) -> None:
    app = still_app(monkeypatch, private, sample)
    denied = msgspec.structs.replace(app.collector.latest.environments[0], side_effects="deny_all")
    app.collector.latest = msgspec.structs.replace(app.collector.latest, environments=(denied, LAB))
    facts = app.collector.specs
    acting = msgspec.structs.replace(facts.a, capabilities=("http_post",))
    app.collector.specs = msgspec.structs.replace(facts, a=acting, b=None)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("replay")
        await shown(pilot, "INC-20260101-0017")
        await pilot.press("w")
        await shown(pilot, "asks for less: the same in lab (staging)")
        await pilot.press("x", *"only there", "enter")
        await until(pilot, lambda: ran)
        asked = [argv for argv in ran if argv[:2] == ("approval", "request")]
        assert len(asked) == 1
        assert {"--env=lab", "--action=replay_execute", "--reason=only there"} <= set(asked[0])
        assert not any(one.startswith("--certificate") for one in asked[0]), "it is of another environment"

    play(app, story)
