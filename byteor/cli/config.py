"""``byteor config``: what is set, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Settings in force on this host.")


@app.callback()
def group() -> None:
    """Keeps ``show`` a verb of its own while it is the only one."""


@app.command("show")
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A settings file, before byteor.toml.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Print every setting: flag > BYTEOR_* > --config > byteor.toml upward from here > user's > default.

    Every wrong setting is told at once, with file and line.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.settings import Settings, load

    loaded = load(config=config)
    values = loaded.settings.model_dump(mode="json")
    if json:
        rows = [
            {
                "key": key,
                "value": value,
                "origin": loaded.origins[key],
                "doc": Settings.model_fields[key].description,
            }
            for key, value in values.items()
        ]
        emit_json("config", {"settings": rows})
        return
    lines = []
    for key, value in values.items():
        shown = "-" if value is None else str(value)
        about = loaded.origins[key] if origin else Settings.model_fields[key].description
        lines.append(f"{key:<16} {shown:<24} {about}")
    emit_text("\n".join(lines))
