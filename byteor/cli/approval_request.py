"""``byteor approval request``: ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.governed import EnvironmentsOption, EnvOption, PassphraseOption
from byteor.cli.options import DryRun, Json, SpecArgument, SpecOption, one_spec


def request(
    env: EnvOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the approvers.", show_default=False)],
    spec_argument: SpecArgument = None,
    spec: SpecOption = None,
    action: Annotated[str, typer.Option(help="run, deploy or replay_execute.")] = "run",
    requester: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who asks: your key's principal, else your user name.", show_default=False
        ),
    ] = None,
    kid: Annotated[
        str | None, typer.Option("--kid", metavar="KID", help="Sign the request with your key: its id.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="PEM", help="Your key.", show_default=False)
    ] = None,
    passphrase_fd: PassphraseOption = None,
    answer_hours: Annotated[int, typer.Option(min=1, max=720, help="The request dies unanswered then.")] = 24,
    use_hours: Annotated[int, typer.Option(min=1, max=8760, help="The approval dies unused then.")] = 72,
    max_uses: Annotated[int, typer.Option(min=1, max=1000, help="How many runs it covers.")] = 1,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The last dry run's certificate, to be shown.", show_default=False),
    ] = None,
    spec_diff: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="byteor diff against what runs there.", show_default=False),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(metavar="ORIGIN", help="Another host's log, where it is to run.", show_default=False),
    ] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:ARG", help="Needed besides what the spec says; may be repeated.", show_default=False
        ),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            "--stages", metavar="MODULE", help="A module that defines stages of the spec.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write a copy here.", show_default=False),
    ] = None,
    given: EnvironmentsOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask for an approval to run a spec in an environment. Prints the request's id.

    Who asks does not count as an approver, so he is known: by his signature (--kid, --key-file), or as this
    process's user. Prod takes no unsigned request from another host.
    """
    import uuid

    from byteor.acts.approvals import (
        check_request_new,
        host_audience,
        keep_request,
        known_audience,
        user_name,
    )
    from byteor.acts.needs import asked_of
    from byteor.atomic import write_file
    from byteor.cli.governed import environments, groups_of, moment, signer_from, signing_key
    from byteor.cli.key_variables import BOTH, how_to_sign, unread_variables
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.cli.output import note as tell
    from byteor.governance.canonical import sha256_of, time_of
    from byteor.governance.errors import refused
    from byteor.governance.request import Request, Shown, check_request
    from byteor.governance.requester import seal_asker
    from byteor.governance.trust import trusted_keys
    from byteor.spec import load

    loaded = load(one_spec(spec_argument, spec), strict=True)
    now = moment()
    signer, asks = None, user_name()
    if kid is not None and key_file is not None:
        keys = trusted_keys()
        signer = signer_from(key_file, passphrase_fd, person="agent" not in groups_of(keys, kid))
        asks = signing_key(keys, kid, signer).principal
    elif kid is not None or key_file is not None:
        raise usage_error("a signature wants both", how_to_sign())
    elif unread := unread_variables():
        tell(f"{asks} asks without a signature: {unread}; {BOTH} signs it")
    if requester not in (None, asks):
        raise refused("E_REQUESTER", f"you are {asks} here, not {requester}")
    environment = environments(given, now, remember=not dry_run).get(env)
    code = asked_of(loaded, tuple(stages or ()), capability or ())
    asked = Request(
        action=action,
        approval_expires_at=time_of(now + use_hours * 3600),
        audience=audience or (known_audience if dry_run else host_audience)(environment),
        capabilities=code.capabilities,
        created_at=time_of(now),
        environment_digest=environment.digest,
        environment_id=environment.id,
        environment_posture=environment.posture,
        max_uses=max_uses,
        not_before=time_of(now),
        org_id=environment.org_id,
        project_id=environment.project_id,
        quorum=environment.quorum,
        reason=reason,
        request_expires_at=time_of(now + answer_hours * 3600),
        request_id=str(uuid.uuid4()),
        requester=asks,
        shown=Shown(
            certificate=sha256_of(certificate.read_bytes()) if certificate else None,
            spec=sha256_of(loaded.canonical),
            spec_diff=sha256_of(spec_diff.read_bytes()) if spec_diff else None,
            stages=code.stages,
        ),
        spec_hash=loaded.spec_hash,
        v=1,
    )
    check_request(asked)
    if dry_run:
        check_request_new(asked)
        told = {"request_id": None, "digest": None, "audit_seq": None, "path": str(out) if out else None}
        what = (
            f"ask to {action} {loaded.spec_hash} in {env}: {', '.join(code.capabilities) or 'no capability'}"
        )
        emit_would("approval-request", told, what, as_json=json)
        return
    asker = seal_asker(asked, kid, signer, time_of(now)) if kid is not None and signer is not None else None
    seq = keep_request(asked, asker)
    if out is not None:
        write_file(out, asked.text())
    if json:
        fields = {"request_id": asked.request_id, "digest": asked.digest, "audit_seq": seq}
        fields |= {"requester": asks, "signed": asker is not None}
        emit_json("approval-request", {**fields, "path": str(out) if out else None})
    else:
        emit_text(asked.request_id)
