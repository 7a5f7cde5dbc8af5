"""Acts that go somewhere: screens, history, palette, filter, leaving."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from byteor_tui.actions.places import PLACES
from byteor_tui.model.link import Place, link_of

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp

TWICE_WITHIN_S = 2.0
_asked_s: dict[int, float] = {}


def go_somewhere(app: ConsoleApp, screen: str) -> None:
    app.go(screen)


def go(app: ConsoleApp) -> None:
    """A letter chooses the place; ``g`` again is the first row."""
    from byteor_tui.screens.chooser import ChooserScreen

    letters = {place.letter: (place.id, place.title) for place in PLACES}
    letters["g"] = ("first", "first row")

    def chosen(letter: str | None) -> None:
        if letter == "g" and app.front is not None:
            app.front.act_first()
        elif letter is not None:
            app.go(letters[letter][0])
        app.paint()

    app.push_screen(ChooserScreen({key: title for key, (_, title) in letters.items()}, app.glyphs), chosen)


def back(app: ConsoleApp) -> None:
    """Out of a zoomed panel, out of the past, else to the place before; the list of runs at last."""
    screen = app.front
    if screen is not None and getattr(screen, "zoomed", False):
        screen.unzoom()  # type: ignore[attr-defined]
    elif (place := _place_before(app)) is not None:
        app.go_to(place)
    elif app.here.screen != "runs":
        app.go("runs")


def _place_before(app: ConsoleApp) -> Place | None:
    """The last place on another screen: a screen that was called while it was there leads nowhere."""
    here = app.here
    place = app.visits.back(here)
    while place is not None and (place.screen, place.request) == (here.screen, here.request):
        place = app.visits.back(place)
    return place


def back_in_history(app: ConsoleApp) -> None:
    if (place := app.visits.back(app.here)) is not None:
        app.go_to(place)


def on_in_history(app: ConsoleApp) -> None:
    if (place := app.visits.on(app.here)) is not None:
        app.go_to(place)


def inspect(app: ConsoleApp) -> None:
    screen = app.front
    app.go("stages", screen.item if screen is not None else "")


def open_run(app: ConsoleApp) -> None:
    from byteor_tui.screens.runs import RunsScreen

    if isinstance(app.front, RunsScreen) and app.front.chosen is not None:
        app.open_run(app.front.chosen)


def diff(app: ConsoleApp) -> None:
    app.go("diff")


def request_diff(app: ConsoleApp) -> None:
    """The two specs of the request under the cursor and no others, whatever Diff compared before."""
    asked = app.situation().approval
    if asked is not None:
        app.go("diff", request=asked.request_id)


def approvals(app: ConsoleApp) -> None:
    """The request that ends first."""
    rows = [row for row in app.collector.latest.approvals.rows if row.open]
    first = min(rows, key=lambda row: row.request_ends, default=None)
    app.go("approvals", first.request_id if first is not None else "")


def filter_rows(app: ConsoleApp) -> None:
    """The rows follow while somebody types; escape brings back what was there."""
    screen = app.front
    if screen is None:
        return
    before = screen.filter_text

    def change(text: str) -> None:
        screen.set_filter(text)
        app.paint()

    def done(text: str | None) -> None:
        change(before if text is None else text)

    screen.prompt.ask("/", done, initial=before, on_change=change)


def palette(app: ConsoleApp) -> None:
    from byteor_tui.acts.entries import entries
    from byteor_tui.screens.palette import PaletteScreen

    found = entries(app)

    def chosen(key: str | None) -> None:
        entry = found.get(key or "")
        if entry is not None:
            app.call_after_refresh(entry.do)

    app.push_screen(PaletteScreen(found, app.glyphs), chosen)


def copy_link(app: ConsoleApp) -> None:
    link = link_of(app.here)
    app.copy_to_clipboard(link)
    app.say(f"copied {link}")


def quit_console(app: ConsoleApp) -> None:
    if app.log_pane.running and not _twice(app):
        app.say("an act is still running; q again leaves without its result", ok=False)
    else:
        app.exit()


def interrupt(app: ConsoleApp) -> None:
    if _twice(app):
        app.exit()
    else:
        app.say("ctrl+c again leaves; so does q")


def _twice(app: ConsoleApp) -> bool:
    before, now = _asked_s.get(id(app), float("-inf")), time.monotonic()
    _asked_s[id(app)] = now
    return now - before <= TWICE_WITHIN_S


HANDLERS: dict[str, Callable[[ConsoleApp], None]] = {
    **{f"go_{place.id}": partial(go_somewhere, screen=place.id) for place in PLACES},
    "go": go,
    "back": back,
    "back_in_history": back_in_history,
    "on_in_history": on_in_history,
    "inspect": inspect,
    "open": open_run,
    "diff": diff,
    "request_diff": request_diff,
    "approvals": approvals,
    "filter": filter_rows,
    "palette": palette,
    "copy_link": copy_link,
    "quit": quit_console,
    "interrupt": interrupt,
}
