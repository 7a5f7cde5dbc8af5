"""Every act of the console, once. Bindings, footer, help, palette, keymap names and docs come from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from byteor_tui.actions.places import PLACES


class Danger(StrEnum):
    """What an act can do to the world. Only the armed dialog leads to a commit."""

    LOOKS = "looks"
    PREPARES = "prepares"
    COMMITS = "commits"


class Need(StrEnum):
    """What must be there before an act makes sense; a key without it is grey and dead, ``w`` says why."""

    RUN = "a run on the screen"
    COMMAND = "a command line in the log"
    LIVE = "the present: L leaves the past"
    WRITE = "a console that was not started with --read-only"
    REQUEST = "a request under the cursor"
    OPEN_REQUEST = "a request that is still open"
    SEEN = "every hunk of the request on the screen once"
    ASKED_SPEC = "the asked spec on this host: start with --spec FILE, or run from its folder"
    KEY = "your key: --kid and --key-file"
    MAY_SIGN = "a key that may still answer this request"
    INCIDENT = "an incident under the cursor"
    REPLAY = "a replay under the cursor"
    CERTIFICATE = "a dry run without divergence"
    APPROVED = "an approval for this replay"
    ENVIRONMENT = "an environment: --env"
    ALERT = "something that needs you"
    DEMO = "the demo: byteor-console demo"
    HERE = "a terminal: a browser gets no files and no programs of this host"
    ENTRY = "an entry of the audit log under the cursor"
    RECORDING = "a replay whose recording is here"


@dataclass(frozen=True, slots=True)
class Action:
    """``keys`` in Textual's names, the first one shown. ``screens`` empty means everywhere.

    ``footer`` orders the footer (0: help only); when it is too narrow, the highest numbers go first.
    ``verb`` is the command line that the act runs, as a pattern for help and docs.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    footer: int = 0
    danger: Danger = Danger.LOOKS
    needs: tuple[Need, ...] = ()
    screens: tuple[str, ...] = ()
    verb: str = ""


LOOKS, PREPARES, COMMITS = Danger.LOOKS, Danger.PREPARES, Danger.COMMITS
_OF_A_RUN = ("overview", "stages")
_LISTS = ("overview", "stages", "approvals", "incidents", "replay", "audit", "doctor", "runs")
_NOT_REPLAY = ("overview", "stages", "approvals", "diff", "incidents", "audit", "doctor", "runs")
_WITH_DETAIL = ("stages", "approvals", "diff", "incidents", "replay", "audit", "doctor")

_GOES = tuple(
    Action(f"go_{place.id}", (place.key,), place.title, f"{place.title}: {place.about}.") for place in PLACES
)

_ACTS = (
    Action(
        "snapshot", ("s",), "snap",
        "Write a snapshot of the run to a file and say where. It only reads; the run does not notice.",
        footer=3, danger=PREPARES, needs=(Need.RUN, Need.WRITE), screens=_OF_A_RUN,
        verb="byteor snapshot RUN --out=FILE",
    ),
    Action(
        "incident", ("i",), "incident",
        "Make an incident bundle of the run: evidence, policy, environment, state. It only reads.",
        footer=4, danger=PREPARES, needs=(Need.RUN, Need.WRITE), screens=(*_OF_A_RUN, "incidents"),
        verb="byteor incident-bundle RUN",
    ),
    Action(
        "replay", ("r",), "replay",
        "Replay what was captured, as a dry run: every side effect is withheld.",
        footer=5, danger=PREPARES, needs=(Need.WRITE,),
        screens=("overview", "stages", "incidents", "replay"),
        verb="byteor replay WHAT --mode=dry_run --env=ENV",
    ),
    Action("diff", ("d",), "diff", "What runs against what is on disk.", footer=6, needs=(Need.RUN,),
           screens=("overview", "stages"), verb="byteor diff A B"),
    Action("approvals", ("a",), "approvals", "The most urgent request.", footer=7,
           screens=("overview", "stages", "incidents", "replay", "audit")),
    Action("ask", ("x",), "ask", "Ask for an approval to execute this replay: reason, then enter.",
           footer=4, danger=PREPARES, needs=(Need.WRITE, Need.ENVIRONMENT, Need.REPLAY, Need.CERTIFICATE),
           screens=("replay",),
           verb="byteor approval request SPEC --env=ENV --action=replay_execute --certificate=F --reason=T"),
    Action("ask_run", ("x",), "ask", "Ask for an approval to run the spec on disk: reason, then enter.",
           footer=4, danger=PREPARES, needs=(Need.WRITE, Need.ENVIRONMENT), screens=("diff",),
           verb="byteor approval request SPEC --env=ENV --reason=TEXT"),
    Action("sign", ("A",), "sign", "Sign the request under the cursor: armed, with a code.",
           footer=2, danger=COMMITS,
           needs=(Need.WRITE, Need.LIVE, Need.REQUEST, Need.OPEN_REQUEST, Need.KEY, Need.MAY_SIGN, Need.SEEN),
           screens=("approvals",),
           verb="byteor approval approve REQUEST --digest=D --kid=KID --key-file=PEM"),
    Action("deny", ("D",), "deny", "Deny the request under the cursor: armed, with a code and a reason.",
           footer=3, danger=COMMITS,
           needs=(Need.WRITE, Need.LIVE, Need.REQUEST, Need.OPEN_REQUEST, Need.KEY, Need.MAY_SIGN),
           screens=("approvals",),
           verb="byteor approval deny REQUEST --digest=D --reason=TEXT --kid=KID --key-file=PEM"),
    Action("comment", ("c",), "comment",
           "Say something about the request under the cursor: an entry of the audit log, no answer.",
           footer=6, danger=PREPARES, needs=(Need.WRITE, Need.REQUEST), screens=("approvals",),
           verb="byteor note TEXT --request=REQUEST"),
    Action("request_diff", ("d",), "full diff",
           "The request's two specs on Diff, what runs and what it asks for; - comes back.", footer=6,
           needs=(Need.REQUEST, Need.ASKED_SPEC), screens=("approvals",), verb="byteor diff A B"),
    Action("execute", ("X",), "execute", "Execute the replay under the cursor: armed, with a code.",
           footer=3, danger=COMMITS,
           needs=(Need.WRITE, Need.ENVIRONMENT, Need.REPLAY, Need.CERTIFICATE, Need.APPROVED),
           screens=("replay",), verb="byteor replay WHAT --mode=execute --env=ENV --approval=ID"),
    Action("freeze_env", ("F",), "FREEZE",
           "Freeze the environment: no side effect. Of a frozen one: sign to lift it; two people do.",
           footer=12, danger=COMMITS, needs=(Need.WRITE, Need.ENVIRONMENT),
           screens=("overview", "approvals"), verb="byteor freeze --env=ENV --reason=TEXT"),
    Action("check", ("r",), "run checks", "Run the checks of this host again.", footer=2, screens=("doctor",),
           verb="byteor doctor --json"),
    Action("version", ("v",), "version", "Compare with the next version that this host still has.",
           footer=3, screens=("diff",)),
    Action("file", ("f",), "file", "Compare with a file: type its path.", footer=4, needs=(Need.HERE,),
           screens=("diff",)),
    Action("open", ("enter",), "open", "Open the run under the cursor.", footer=3, screens=("runs",)),
    Action("inspect", ("enter",), "inspect", "The stage under the cursor in depth.", screens=("overview",)),
    Action("detail", ("enter",), "detail", "The detail over the whole screen, and back.",
           screens=_WITH_DETAIL),
    Action("freeze", ("space",), "pause", "Freeze the drawing. Collection goes on; the same key goes on.",
           footer=8, needs=(Need.RUN,), screens=_NOT_REPLAY),
    Action("play", ("space",), "play", "Through the recording, up to the next difference or to space.",
           footer=3, needs=(Need.RECORDING,), screens=("replay",)),
    Action("divergence", ("v",), "next diff", "To the next record that differs.", footer=4,
           needs=(Need.RECORDING,), screens=("replay",)),
    Action("alert", ("exclamation_mark",), "alert", "To the newest alert: its stage, at its time.", footer=9,
           needs=(Need.RUN, Need.ALERT), screens=_OF_A_RUN),
    Action("sort", ("full_stop",), "sort", "Sort by the next column: flow, name, rate, lag, p99, errors.",
           footer=10, screens=_OF_A_RUN),
    Action("reverse", ("comma",), "reverse", "Turn the sort order around.", screens=_OF_A_RUN),
    Action("filter", ("slash",), "filter",
           "Keep rows that match: words, ~letters, !not, lag>5k. An empty line keeps all.", footer=9,
           screens=_LISTS),
    Action("next", ("n",), "next", "Next hunk, page, hit or difference.", footer=5,
           screens=("approvals", "diff", "replay", "audit")),
    Action("previous", ("p",), "previous", "Previous hunk, page, hit or difference.",
           screens=("approvals", "diff", "replay", "audit")),
    Action("earlier", ("left_square_bracket",), "earlier", "Time cursor 5 s back; on Replay: a record back.",
           needs=(Need.RUN,), screens=_NOT_REPLAY),
    Action("later", ("right_square_bracket",), "later", "Time cursor 5 s on; on Replay: a record on.",
           needs=(Need.RUN,), screens=_NOT_REPLAY),
    Action("step_back", ("left_square_bracket",), "step back", "A record back.", needs=(Need.RECORDING,),
           screens=("replay",)),
    Action("step", ("right_square_bracket",), "step", "A record on.", footer=4, needs=(Need.RECORDING,),
           screens=("replay",)),
    Action("event_before", ("left_curly_bracket",), "event before", "Time cursor to the event before."),
    Action("event_after", ("right_curly_bracket",), "event after", "Time cursor to the event after."),
    Action("time", ("t",), "time", "Time cursor to a time of day, or so long ago: 12:03:11, -90s, -5m."),
    Action("live", ("L",), "live", "Back to the present."),
    Action("keep", ("P",), "keep", "Keep this stage in sight beside the one under the cursor; again: let go.",
           needs=(Need.RUN,), screens=("stages",)),
    Action("prove", ("v",), "prove", "A proof that the entry under the cursor is in the log, into a file.",
           footer=4, danger=PREPARES, needs=(Need.WRITE, Need.ENTRY), screens=("audit",),
           verb="byteor audit prove --entry=N --out=FILE"),
    Action("pin", ("b",), "pin A", "Pin this moment: figures show their difference from it. Again: let go.",
           needs=(Need.RUN,)),
    Action("mark", ("m",), "mark", "Mark this moment on the timeline, with a note.", needs=(Need.RUN,),
           verb="byteor note TEXT --run=RUN --at=NS"),
    Action("why", ("w",), "why", "Why a key of this place is dead, and the smallest change that would help.",
           footer=9),
    Action("what_if", ("W",), "what-if", "What policy would say, approved or not, live or replayed.",
           screens=("overview", "approvals", "replay")),
    Action("copy", ("y",), "copy",
           "Copy the last command line to the clipboard (OSC 52; the terminal must allow it).",
           footer=11, needs=(Need.COMMAND,)),
    Action("copy_link", ("Y",), "link", "Copy a link to this place: byteor-console go LINK."),
    Action("pager", ("o",), "pager", "Open what is shown in $PAGER.", needs=(Need.HERE,),
           screens=_WITH_DETAIL),
    Action("fault", ("f",), "fault", "Demo: the fault on; a stage fails. Again: off.", needs=(Need.DEMO,),
           screens=(*_OF_A_RUN, "incidents", "replay")),
    Action("identity", ("I",), "sign as", "Sign as the next of the keys that the console was started with.",
           screens=("approvals",)),
    Action("handover", ("H",), "handover",
           "The handover of this shift: open matters, marks; the one before. Enter writes, o edits.",
           verb="byteor note --kind=handover --file=FILE"),
    Action("faster", ("plus",), "faster", "Draw more often; on Replay: play faster."),
    Action("slower", ("underscore",), "slower", "Draw less often; on Replay: play slower."),
    Action("panel", ("tab",), "panel", "Keys move the next panel.", screens=_WITH_DETAIL),
    Action("zoom", ("z",), "zoom", "The panel over the whole screen, and back.", screens=_WITH_DETAIL),
    Action("go", ("g",), "go to", "Go to a place by its letter.", footer=12),
    Action("back", ("minus", "escape"), "back", "Back to the place before.", footer=13),
    Action("back_in_history", ("less_than_sign",), "history back", "Places visited: back."),
    Action("on_in_history", ("greater_than_sign",), "history on", "Places visited: on."),
    Action("down", ("j", "down"), "down", "Cursor down."),
    Action("up", ("k", "up"), "up", "Cursor up."),
    Action("page_down", ("pagedown",), "page down", "A page down."),
    Action("page_up", ("pageup",), "page up", "A page up."),
    Action("first", ("home",), "first", "To the first row."),
    Action("last", ("G", "end"), "last", "To the last row."),
    Action("redraw", ("ctrl+l",), "redraw", "Paint the whole screen again."),
    Action("palette", ("colon",), "command", "Every act, stage, request and incident by name.", footer=12),
    Action("help", ("question_mark",), "help", "What the keys of this place do.", footer=1),
    Action("quit", ("q",), "quit", "Leave. The run does not notice.", footer=2),
)  # fmt: skip

ACTIONS: tuple[Action, ...] = (*_ACTS, *_GOES)

BY_ID = {action.id: action for action in ACTIONS}

_SHOWN = {
    "full_stop": ".",
    "comma": ",",
    "minus": "-",
    "question_mark": "?",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "slash": "/",
    "colon": ":",
    "exclamation_mark": "!",
    "plus": "+",
    "underscore": "_",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
_NAMED = {shown: name for name, shown in _SHOWN.items()}


def key_label(key: str) -> str:
    """A key as people write it."""
    return _SHOWN.get(key, key)


def key_name(label: str) -> str:
    """Textual's name of a key as people write it."""
    return _NAMED.get(label, label)


def on_screen(
    screen: str, *, read_only: bool = False, actions: tuple[Action, ...] = ACTIONS
) -> tuple[Action, ...]:
    """The acts of one screen, in the table's order. A read-only console has no keys that commit."""
    return tuple(
        action
        for action in actions
        if (not action.screens or screen in action.screens)
        and not (read_only and action.danger is Danger.COMMITS)
    )


def remapped(
    keys: Mapping[str, tuple[str, ...]], actions: tuple[Action, ...] = ACTIONS
) -> tuple[Action, ...]:
    """``actions`` with the keys that a keymap file gives them by id."""
    return tuple(replace(action, keys=keys[action.id]) if action.id in keys else action for action in actions)


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
