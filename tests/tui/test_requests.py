"""What one does with a request beside signing it: its full diff on Diff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from byteor.spec import load
from byteor_tui.actions.places import PLACE_IDS
from byteor_tui.app import ConsoleApp
from byteor_tui.demo_plan import PLAN
from byteor_tui.model.evidence import Approvals
from byteor_tui.model.link import Place, link_of, place_of
from byteor_tui.model.specs import SpecBoard
from byteor_tui.shot import screen_text
from tests.tui.test_keys import play
from tests.tui.waiting import until
from tests.tui.world import request, still_app

FIRST, SECOND = request(31).request_id, request(29).request_id


@pytest.fixture
def app(private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """Started with the file that the first request asks for; Diff compares another one. The second's spec
    is nowhere."""
    made = still_app(monkeypatch, private, sample)
    (private / "spec.kv").write_bytes(load(private / "running.plan.kv").canonical)
    asked = private / "asked.plan.kv"
    asked.write_text(PLAN.replace("zscore:120,4.0", "zscore:7,4.0"))
    rows = (request(31, spec_hash=load(asked).spec_hash), request(29))
    made.collector.latest = msgspec.structs.replace(made.collector.latest, approvals=Approvals(rows))
    made.collector.board = SpecBoard(asked)
    made.collector.board.right = private / "host.plan.kv"
    return made


async def there(app: ConsoleApp, pilot: Pilot[None], screen: str, item: str = "") -> str:
    """Until the place is on the screen, as after some looks of the collector, which rests here. Its text."""

    def holds() -> bool:
        app.paint()
        app.collector.specs = app.collector.board.look()
        app.paint()
        return app.here.screen == screen and item in {"", app.here.item}

    await until(pilot, holds)
    assert holds()
    return screen_text(app)


def test_d_shows_the_two_specs_of_the_request_and_minus_comes_back_to_it(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", FIRST)
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("d")
        await until(pilot, lambda: "request 00000031" in screen_text(app))
        assert "lab" not in screen_text(app), "what Diff compared before is not shown as the request's"
        text = await there(app, pilot, "diff")
        assert "zscore:7,4.0" in text and "request 00000031, 1 change" in text
        assert "running " in text and "-> asked " in text
        await pilot.press("minus")
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("4")
        text = await there(app, pilot, "diff")
        assert "request" not in text and "zscore:5.0" in text.replace("120,", ""), "4 compares what it did"
        await pilot.press("minus")
        await there(app, pilot, "approvals", FIRST)

    play(app, story, (120, 40))


def test_a_file_or_a_version_that_is_chosen_takes_the_place_of_the_request(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("diff", request=FIRST)
        assert "zscore:7,4.0" in await there(app, pilot, "diff")
        await pilot.press("f", "enter")
        text = await there(app, pilot, "diff")
        assert "zscore:7,4.0" not in text and "zscore:120,5.0" in text

    play(app, story, (120, 40))


def test_the_full_diff_is_dead_where_the_asked_spec_is_not_and_says_why(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", SECOND)
        await there(app, pilot, "approvals", SECOND)
        await pilot.press("d")
        text = await there(app, pilot, "approvals", SECOND)
        assert "full diff: needs the asked spec on this host: start with --spec FILE" in text

    play(app, story, (120, 40))


def test_a_link_leads_to_the_diff_of_a_request_and_says_so_where_there_is_none(app: ConsoleApp) -> None:
    link = link_of(Place("diff", "r", request=FIRST))
    assert place_of(link, PLACE_IDS).request == FIRST

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go_to(place_of(link, PLACE_IDS))
        assert "zscore:7,4.0" in await there(app, pilot, "diff")
        assert app.here.request == FIRST
        app.go_to(Place("diff", request="gone"))
        assert "the request gone is not on this host" in await there(app, pilot, "diff")

    play(app, story, (120, 40))
