"""Options that several verbs share, and the one way to name a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.errors import ByteorError, Exit

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, no colour.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]
Strict = Annotated[bool, typer.Option("--strict", help="An unknown key is an error, not a warning.")]
SpecArgument = Annotated[
    Path | None, typer.Argument(metavar="SPEC", help="A plan or spec.", show_default=False)
]
SpecOption = Annotated[
    Path | None, typer.Option("--spec", metavar="SPEC", help="The same, as an option.", show_default=False)
]


def one_spec(argument: Path | None, option: Path | None) -> Path:
    """The spec that was named once, by position or by ``--spec``. Raises ``E_USAGE`` for none or two."""
    if argument is not None and option is not None:
        raise usage_error("the spec was named twice", "give it once: byteor VERB SPEC, or --spec=SPEC")
    spec = argument if argument is not None else option
    if spec is None:
        raise usage_error("no spec was named", "byteor VERB SPEC, or --spec=SPEC")
    return spec


def usage_error(message: str, hint: str) -> ByteorError:
    return ByteorError("E_USAGE", message, hint=hint, exit=Exit.USAGE)
