"""``byteor approval verify``: credentials against files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.governed import EnvironmentsOption, EnvOption, NowOption
from byteor.cli.options import Json


def verify(
    credential: Annotated[
        list[Path],
        typer.Option("--credential", metavar="F", help="A credential; may be repeated.", show_default=False),
    ],
    keys: Annotated[
        Path, typer.Option(metavar="F", help="The key set to check against.", show_default=False)
    ],
    spec: Annotated[Path, typer.Option(metavar="S", help="The spec that is to run.", show_default=False)],
    env: EnvOption,
    companion: Annotated[
        list[Path] | None,
        typer.Option(
            "--companion", metavar="F", help="An approval.dsse; may be repeated.", show_default=False
        ),
    ] = None,
    revocations: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="A revocation list, else the one beside the keys.", show_default=False
        ),
    ] = None,
    given: EnvironmentsOption = None,
    now: NowOption = None,
    json: Json = False,
) -> int:
    """Check credentials against files alone. It grants nothing, remembers nothing. Exit 9 when refused.

    `still_needed` names what a run would want besides: approval.dsse in prod.
    """
    from byteor.acts.verify_files import verify_files
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.spec import load

    at = moment(now)
    found = verify_files(
        credential,
        companion or [],
        keys=keys,
        revocations=revocations,
        spec=load(spec, strict=True),
        environment=environments(given, at).get(env),
        now=at,
    )
    if json:
        import msgspec

        emit_json("approval-verify", msgspec.to_builtins(found))
    elif found.ok:
        more = f"; a run still needs {', '.join(found.still_needed)}" if found.still_needed else ""
        emit_text(f"ok: approval {found.approval_id} until {found.expires_at}{more}")
    else:
        emit_text(f"refused: {found.code}: {found.message}")
    return Exit.OK if found.ok else Exit.INTEGRITY
