"""What the palette offers: every act of the place, every place, stage, request and incident."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from byteor_tui.actions.entry import Entry
from byteor_tui.actions.registry import key_label
from byteor_tui.actions.situation import missing

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp


def entries(app: ConsoleApp) -> dict[str, Entry]:
    """By a key that sorts as shown: living acts first, then places and things."""
    now = app.situation()
    found: dict[str, Entry] = {}
    for alive in (True, False):
        for act in app.acts_here():
            if (missing(act, now) is None) is alive and act.id != "palette":
                label = key_label(act.keys[0])
                found[f"act {act.id}"] = Entry(
                    act.label, act.help, label, alive, partial(_act, app, act.id, alive)
                )
    frame = app.view().frame
    for row in frame.rows if frame is not None else ():
        found[f"stage {row.name}"] = Entry(
            f"stage {row.name}", f"{row.key} {row.state}", "", True, partial(app.go, "stages", row.name)
        )
    evidence = app.collector.latest
    for one in evidence.approvals.rows:
        found[f"request {one.request_id}"] = Entry(
            f"request {one.short}", f"{one.state}, {one.requester}: {one.reason}", "", True,
            partial(app.go, "approvals", one.request_id),
        )  # fmt: skip
    for record in evidence.incidents.rows:
        found[f"incident {record.id}"] = Entry(
            f"incident {record.id}", f"{record.state}: {record.title}", "", True,
            partial(app.go, "incidents", record.id),
        )  # fmt: skip
    return found


def _act(app: ConsoleApp, id: str, alive: bool) -> None:
    if alive:
        app.action_act(id)
    else:
        app.say(f"{id} is dead here: w says why", ok=False)
        app.paint()
