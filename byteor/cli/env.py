"""``byteor env``: the environments of this host, where each was read, and what it permits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.governed import EnvironmentsOption, KeyFileOption, KidOption, PassphraseOption
from byteor.cli.options import DryRun, Json

if TYPE_CHECKING:
    from byteor.governance.environment import Environment

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Environments: where runs happen.")


@app.command("list")
def list_(given: EnvironmentsOption = None, json: Json = False) -> None:
    """List the environments that count here, in order of precedence."""
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text

    found = environments(given, moment())
    if json:
        rows = [_fields(environment) for environment in found.found]
        emit_json("env-list", {"environments": rows, "files": found.files, "shadowed": found.shadowed})
        return
    lines = [f"{'ENVIRONMENT':<16} {'POSTURE':<8} {'EFFECTS':<17} {'REPLAY':<13} {'TRUSTED':<8} FROM"]
    lines += [
        f"{one.name:<16} {one.posture:<8} {_effects(one):<17} {one.replay:<13}"
        f" {'yes' if one.trusted else 'no':<8} {one.source}"
        for one in found.found
    ]
    lines += [f"passed over: {what} (defined before)" for what in found.shadowed]
    emit_text("\n".join(lines))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The table's name in byteor.toml.")],
    given: EnvironmentsOption = None,
    json: Json = False,
) -> None:
    """Show one environment: what it permits, who must approve, and whether effects may run under it."""
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text

    environment = environments(given, moment()).get(name)
    fields = _fields(environment)
    if json:
        emit_json("env", fields)
        return
    quorum = " and ".join(f"{quota.n} of {quota.group}" for quota in environment.quorum)
    emit_text("\n".join(f"{key:<13} {value}" for key, value in {**fields, "quorum": quorum}.items()))


@app.command("sign")
def sign(
    path: Annotated[Path, typer.Argument(metavar="BYTEOR_TOML", help="The file to sign.")],
    version: Annotated[
        int, typer.Option(min=1, help="Higher than every version before.", show_default=False)
    ],
    kid: KidOption,
    key_file: KeyFileOption,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the signature holds.")] = 365,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Sign a byteor.toml, so that its staging and prod tables count where your key set is pinned.

    Writes FILE.dsse beside it. A second signer of the same version adds a signature.
    """
    from byteor.cli.governed import moment, signer_from
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.governance.canonical import time_of
    from byteor.governance.environment_file import read_file
    from byteor.governance.environment_signature import sign_file

    read_file(path, trust=None, now=0)  # nobody signs a file that no host would read
    signer = signer_from(key_file, passphrase_fd)
    if dry_run:
        fields = {"path": f"{path}.dsse", "version": version, "kid": kid}
        emit_would("env-sign", fields, f"sign version {version} of {path} into {path}.dsse", as_json=json)
        return
    written = sign_file(
        path, version=version, expires_at=time_of(moment() + days * 86_400), signers=[(kid, signer)]
    )
    if json:
        emit_json("env-sign", {"path": str(written), "version": version, "kid": kid})
    else:
        emit_text(str(written))


def _effects(environment: Environment) -> str:
    """The policy that counts now."""
    from byteor.acts.frozen import freeze_of

    return "frozen" if freeze_of(environment.id) is not None else environment.side_effects


def _fields(environment: Environment) -> dict[str, Any]:
    from byteor.acts.frozen import freeze_of

    return {
        "name": environment.name,
        "id": environment.id,
        "org_id": environment.org_id,
        "project_id": environment.project_id,
        "posture": environment.posture,
        "replay": environment.replay,
        "side_effects": environment.side_effects,
        "quorum": [{"group": quota.group, "n": quota.n} for quota in environment.quorum],
        "http_allowed": environment.actions.http,
        "exec_allowed": environment.actions.exec,
        "trusted": environment.trusted,
        "effects_here": environment.allows_effects_here,
        "frozen": frozen.reason if (frozen := freeze_of(environment.id)) is not None else None,
        "source": environment.source,
        "digest": environment.digest,
    }
