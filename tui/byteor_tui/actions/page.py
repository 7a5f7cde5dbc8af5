"""The page of keys for the docs, from the registry alone."""

from __future__ import annotations

from byteor_tui.actions.places import PLACES
from byteor_tui.actions.registry import ACTIONS, Action, Danger, key_label

HEAD = """\
# Keys of the console

Made from the registry of acts by `byteor-console keys -o docs/console-keys.md`; a test compares.
A keymap file may give other keys: `[keys]` in `console.toml`, by the id in the last column.
Only `A`, `D`, `X` and `F` change the world, through a dialog that wants a code. `w` says why a key is dead.
"""


def keys_page() -> str:
    """Markdown: the keys of every place, then those of one."""
    parts = [HEAD, "## Everywhere\n", _table([act for act in ACTIONS if not act.screens])]
    for place in PLACES:
        here = [act for act in ACTIONS if place.id in act.screens]
        parts += [f"## {place.key} {place.title}\n", f"{place.about[0].upper()}{place.about[1:]}.\n"]
        if here:
            parts.append(_table(here))
    return "\n".join(parts)


def _table(acts: list[Action]) -> str:
    rows = ["| Key | Act | Command line | Id |", "| --- | --- | --- | --- |"]
    for act in acts:
        keys = " ".join(f"`{_cell(key_label(key))}`" for key in act.keys)
        text = f"**{act.help}**" if act.danger is Danger.COMMITS else act.help
        verb = f"`{_cell(act.verb)}`" if act.verb else ""
        rows.append(f"| {keys} | {_cell(text)} | {verb} | {act.id} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
