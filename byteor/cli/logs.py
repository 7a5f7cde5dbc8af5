"""``byteor logs``: what the processes of a detached run wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; the newest when absent.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    json: Json = False,
) -> None:
    """Print the log of a run that was started with --detach: the supervisor's words and the stages' output.

    Each line begins with its moment (UTC). With --json each line is a document: time, text.
    """
    from byteor.cli.output import emit_json, shown_text
    from byteor.runtime.folders import find_run
    from byteor.runtime.runlog import read_log

    rest = ""
    for chunk in read_log(Path(find_run(run).folder), follow=follow):
        *lines, rest = (rest + chunk.decode("utf-8", "backslashreplace")).split("\n")
        for line in lines:
            if json:
                moment, _, text = line.partition(" ")
                emit_json("log-line", {"time": moment, "text": text})
            else:
                sys.stdout.write(shown_text(line) + "\n")  # a stage may print what moves a cursor
        sys.stdout.flush()
