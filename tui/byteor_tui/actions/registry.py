"""Every act of the console, once. Bindings, footer, help and the keymap's names are made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Danger(StrEnum):
    """What an act can do to the world. Only the armed dialog may lead to a commit (none exists yet)."""

    LOOKS = "looks"
    PREPARES = "prepares"
    COMMITS = "commits"


class Need(StrEnum):
    """What must be there before an act makes sense; a key without it is grey and dead."""

    RUN = "a run on the screen"
    COMMAND = "a command line in the log"


@dataclass(frozen=True, slots=True)
class Action:
    """``keys`` in Textual's names, the first one shown. ``screens`` empty means everywhere.

    ``footer`` orders the footer (0: help only); when it is too narrow, the highest numbers go first.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    footer: int = 0
    danger: Danger = Danger.LOOKS
    needs: tuple[Need, ...] = ()
    screens: tuple[str, ...] = ()
    verb: tuple[str, ...] = ()


ACTIONS: tuple[Action, ...] = (
    Action(
        "snapshot",
        ("s",),
        "snap",
        "Write a snapshot of the run to a file and say where. It only reads; the run does not notice.",
        footer=3,
        danger=Danger.PREPARES,
        needs=(Need.RUN,),
        screens=("overview",),
        verb=("snapshot",),
    ),
    Action(
        "freeze",
        ("space",),
        "pause",
        "Freeze the drawing. Collection goes on; the same key is live again.",
        footer=4,
        needs=(Need.RUN,),
        screens=("overview",),
    ),
    Action(
        "sort",
        ("full_stop",),
        "sort",
        "Sort by the next column: flow, name, rate, lag, p99, errors.",
        footer=5,
        screens=("overview",),
    ),
    Action("reverse", ("comma",), "reverse", "Turn the sort order around.", screens=("overview",)),
    Action("open", ("enter",), "open", "Open the run under the cursor.", footer=3, screens=("runs",)),
    Action("back", ("minus", "escape"), "runs", "Back to the list of runs.", footer=6, screens=("overview",)),
    Action("down", ("j", "down"), "down", "Cursor down."),
    Action("up", ("k", "up"), "up", "Cursor up."),
    Action("page_down", ("pagedown",), "page down", "A page down."),
    Action("page_up", ("pageup",), "page up", "A page up."),
    Action("first", ("home",), "first", "To the first row."),
    Action("last", ("G", "end"), "last", "To the last row."),
    Action(
        "copy",
        ("y",),
        "copy",
        "Copy the last command line to the clipboard (OSC 52; the terminal must allow it).",
        footer=7,
        needs=(Need.COMMAND,),
    ),
    Action("redraw", ("ctrl+l",), "redraw", "Paint the whole screen again."),
    Action("help", ("question_mark",), "help", "What the keys of this place do.", footer=1),
    Action("quit", ("q",), "quit", "Leave. The run does not notice.", footer=2),
)

BY_ID = {action.id: action for action in ACTIONS}

_SHOWN = {
    "full_stop": ".",
    "comma": ",",
    "minus": "-",
    "question_mark": "?",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
}


def key_label(key: str) -> str:
    """A key as people write it."""
    return _SHOWN.get(key, key)


def on_screen(screen: str) -> tuple[Action, ...]:
    """The acts of one screen, in the table's order."""
    return tuple(action for action in ACTIONS if not action.screens or screen in action.screens)


def clashes(actions: tuple[Action, ...] = ACTIONS) -> list[str]:
    """Keys that mean two things on one screen, as sentences; empty when all is well."""
    screens = {screen for action in actions for screen in action.screens} or {""}
    found: set[str] = set()
    for screen in screens:
        owner: dict[str, str] = {}
        for action in actions:
            if action.screens and screen not in action.screens:
                continue
            for key in action.keys:
                if key in owner:
                    found.add(f"{key_label(key)} is both {owner[key]} and {action.id} on {screen}")
                owner[key] = action.id
    return sorted(found)
