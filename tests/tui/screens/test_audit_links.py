"""A link to an entry of the log, and the way back to it, lead to that entry and not to the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from byteor_tui.app import ConsoleApp
from tests.tui.test_keys import play
from tests.tui.waiting import until
from tests.tui.world import still_app


def test_a_link_to_an_entry_leads_to_it_and_stays_there(
    private: Path, monkeypatch: pytest.MonkeyPatch, sample: Any
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("audit")
        await until(pilot, lambda: app.here.item == "8812")
        for entry in ("8790", "8812", "8801"):
            app.go("audit", entry)
            await until(pilot, lambda entry=entry: app.here.item == entry)  # type: ignore[misc]
            app.paint()
            await pilot.pause()
            assert app.here.item == entry

    play(still_app(monkeypatch, private, sample), story)
