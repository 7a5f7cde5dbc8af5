"""Help of a place from the registry, and why its dead keys are dead: lines that fit any width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from byteor_tui.actions.registry import Action, Danger, key_label
from byteor_tui.actions.situation import Situation, missing, reason
from byteor_tui.tones import Line, Tone

MARKS = (
    ("!", "a person should look: failed, refused, or gone"),
    ("?", "not known: no sign of life for 2 s"),
    ("A", "waits for an approval"),
    ("min gate", "the stage that everybody waits for while the ring is full"),
)
FACTS = (
    "The console only reads; what changes something runs as the command line that the log shows. "
    "Killing it changes nothing for a run. Keys and colours: console.toml; NO_COLOR, BYTEOR_THEME, --plain."
)


def help_lines(actions: tuple[Action, ...], width: int) -> list[Line]:
    """Keys and what they do in at most ``width`` cells; a narrow terminal gets the text under the key."""
    lines: list[Line] = []
    for action in actions:
        text = action.help + (f" $ {action.verb}" if action.verb else "")
        tone = Tone.ALARM if action.danger is Danger.COMMITS else Tone.KEY
        lines += entry(" ".join(key_label(key) for key in action.keys), text, width, tone)
    lines.append(())
    for mark, meaning in MARKS:
        lines += entry(mark, meaning, width, Tone.WARN)
    lines.append(())
    lines += [((f" {text}", Tone.DIM),) for text in textwrap.wrap(FACTS, max(8, width - 2))]
    return lines


def why_lines(actions: Iterable[Action], now: Situation, more: str, way: str, width: int) -> list[Line]:
    """Each dead key of a place with its reason; ``more`` is what policy says, ``way`` a request it takes."""
    lines: list[Line] = []
    for action in actions:
        need = missing(action, now)
        if need is not None:
            lines += entry(key_label(action.keys[0]), f"{action.label}: {reason(need, now)}", width, Tone.KEY)
    if not lines:
        lines = [((" every key of this place is alive", Tone.GOOD),)]
    if more:
        lines += [(), *entry("policy", more, width, Tone.WARN)]
    if way:
        lines += entry("x", f"asks for less: {way}", width, Tone.GOOD)
    return lines


def entry(name: str, text: str, width: int, tone: Tone) -> list[Line]:
    """A name and its text beside or under it."""
    indent = 16
    if width < 50:
        body: list[Line] = [((f"  {part}", Tone.PLAIN),) for part in textwrap.wrap(text, max(8, width - 3))]
        return [((f" {name}", tone),), *body]
    parts = textwrap.wrap(text, width - indent - 2) or [""]
    first: Line = ((f"  {name:<{indent - 2}}", tone), (parts[0], Tone.PLAIN))
    return [first, *[((" " * indent + part, Tone.PLAIN),) for part in parts[1:]]]
