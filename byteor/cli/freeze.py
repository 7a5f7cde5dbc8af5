"""``byteor freeze``: deny every side effect in an environment, at once."""

from __future__ import annotations

from typing import Annotated

import typer

from byteor.cli.governed import EnvironmentsOption, EnvOption
from byteor.cli.options import DryRun, Json


def command(
    env: EnvOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for all to read.", show_default=False)],
    given: EnvironmentsOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Freeze an environment: nothing with side effects starts, and running actions are held within a second.

    Two people lift it with byteor unfreeze. What was noted and not acted on goes on then.
    """
    from byteor.acts.freezes import check_free, freeze
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text, emit_would, json_text

    now = moment()
    environment = environments(given, now, remember=not dry_run).get(env)
    if dry_run:
        check_free(environment)
        fields = {"environment": env, "environment_id": environment.id, "audit_seq": None}
        emit_would("freeze", fields, f"freeze {env}", as_json=json)
        return
    # In an emergency a reason that is no text is shown as one, and not refused.
    seq = freeze(environment, json_text(reason), now=now)
    if json:
        emit_json("freeze", {"environment": env, "environment_id": environment.id, "audit_seq": seq})
    else:
        emit_text(f"{env} is frozen; two people lift it: byteor unfreeze --env {env}")
