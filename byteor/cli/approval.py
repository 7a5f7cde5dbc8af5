"""``byteor approval``: ask, answer, look, and check. Requests and answers are files that travel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.governed import (
    EnvironmentsOption,
    KeyFileOption,
    KidOption,
    NowOption,
    PassphraseOption,
)
from byteor.cli.options import Json, SpecArgument, SpecOption, one_spec

if TYPE_CHECKING:
    from byteor.acts.approvals import Kept
    from byteor.governance.answers import Account
    from byteor.governance.request import Request

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Approvals: ask, answer, check.")

RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id.")]
EnvOption = Annotated[
    str, typer.Option("--env", metavar="NAME", help="An environment of byteor.toml.", show_default=False)
]
DigestOption = Annotated[
    str,
    typer.Option(
        "--digest", metavar="D", help="The request's digest, as approval show printed it.", show_default=False
    ),
]


@app.command("verify")
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


@app.command("request")
def request(
    env: EnvOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the approvers.", show_default=False)],
    spec_argument: SpecArgument = None,
    spec: SpecOption = None,
    action: Annotated[str, typer.Option(help="run, deploy or replay_execute.")] = "run",
    requester: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your principal; your user name when absent.")
    ] = None,
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
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write a copy here.", show_default=False),
    ] = None,
    given: EnvironmentsOption = None,
    json: Json = False,
) -> None:
    """Ask for an approval to run a spec in an environment. Prints the request's id."""
    import getpass
    import uuid

    from byteor.acts.approvals import host_audience, keep_request
    from byteor.atomic import write_file
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.canonical import sha256_of, time_of
    from byteor.governance.request import Request, Shown, check_request
    from byteor.spec import load

    loaded = load(one_spec(spec_argument, spec), strict=True)
    now = moment()
    environment = environments(given, now).get(env)
    asked = Request(
        action=action,
        approval_expires_at=time_of(now + use_hours * 3600),
        audience=audience or host_audience(environment),
        capabilities=loaded.capabilities,
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
        requester=requester or getpass.getuser(),
        shown=Shown(
            certificate=sha256_of(certificate.read_bytes()) if certificate else None,
            spec=sha256_of(loaded.canonical),
            spec_diff=sha256_of(spec_diff.read_bytes()) if spec_diff else None,
        ),
        spec_hash=loaded.spec_hash,
        v=1,
    )
    check_request(asked)
    seq = keep_request(asked)
    if out is not None:
        write_file(out, asked.text())
    if json:
        fields = {"request_id": asked.request_id, "digest": asked.digest, "audit_seq": seq}
        emit_json("approval-request", {**fields, "path": str(out) if out else None})
    else:
        emit_text(asked.request_id)


@app.command("list")
def list_(now: NowOption = None, json: Json = False) -> None:
    """List requests, the newest first: who asked, who approved, who still can, how long is left."""
    from byteor.acts.approvals import account, all_kept
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys

    at = moment(now)
    kept = all_kept()
    keys = trusted_keys() if kept else None
    rows = [_fields(one, account(one, keys, at), at) for one in kept if keys is not None]
    if json:
        emit_json("approval-list", {"requests": rows})
        return
    lines = [f"{'REQUEST':<36} {'STATE':<9} {'ENVIRONMENT':<14} {'REQUESTER':<12} {'LEFT':>8} APPROVED BY"]
    lines += [
        f"{row['request_id']:<36} {row['state']:<9} {row['environment_id']:<14} {row['requester']:<12}"
        f" {_left(row['left_s']):>8} {', '.join(row['approved_by']) or '-'}"
        for row in rows
    ]
    emit_text("\n".join(lines) if rows else "no requests")


@app.command("show")
def show(which: RequestArgument, now: NowOption = None, json: Json = False) -> None:
    """Show a request: what was asked, its digest, who answered, who still can and who cannot and why."""
    from byteor.acts.approvals import account, read_kept
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys

    at = moment(now)
    kept = read_kept(which)
    fields = _fields(kept, account(kept, trusted_keys(), at), at)
    if json:
        emit_json("approval", fields)
        return
    plain = {key: value for key, value in fields.items() if not isinstance(value, list | dict | tuple)}
    lines = [f"{key:<20} {value}" for key, value in plain.items() if value is not None]
    lines += [f"{'capability':<20} {one}" for one in fields["capabilities"]]
    lines += [f"{'quorum':<20} {row['n']} of {row['group']}" for row in fields["quorum"]]
    lines += [f"{'approved by':<20} {who}" for who in fields["approved_by"]]
    lines += [f"{'does not count':<20} {kid}: {why}" for kid, why in fields["void"].items()]
    lines += [
        f"{'can answer' if row['can'] else 'cannot answer':<20} {row['principal']}"
        + (f": {row['why']}" if row["why"] else "")
        for row in fields["standings"]
    ]
    emit_text("\n".join(lines))


@app.command("approve")
def approve(
    which: RequestArgument,
    digest: DigestOption,
    kid: KidOption,
    key_file: KeyFileOption,
    passphrase_fd: PassphraseOption = None,
    json: Json = False,
) -> None:
    """Sign a yes: credential and companion, over the digest of what you were shown. It runs nothing."""
    from byteor.acts.approvals import keep_answer, read_kept
    from byteor.cli.governed import moment, signer_from
    from byteor.governance.answers import Answer, answer_yes
    from byteor.governance.canonical import time_of
    from byteor.governance.companion import seal_companion
    from byteor.governance.trust import trusted_keys

    kept = read_kept(which)
    _same_digest(kept.request, digest)
    keys = trusted_keys()
    now = moment()
    signer = signer_from(key_file, passphrase_fd)
    credential, unsealed = answer_yes(
        kept.request,
        kid=kid,
        principal=_principal(keys, kid),
        signer=signer,
        issued_at=time_of(now),
        log=_log_seen(),
    )
    answer = Answer(credential=credential, companion=seal_companion(unsealed, signer))
    seq = keep_answer(kept.request, kid, answer, keys=keys, now=now)
    _told("approval-approve", which, seq, now, json)


@app.command("deny")
def deny(
    which: RequestArgument,
    digest: DigestOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why not.", show_default=False)],
    kid: KidOption,
    key_file: KeyFileOption,
    passphrase_fd: PassphraseOption = None,
    json: Json = False,
) -> None:
    """Sign a no. One no of somebody who could approve ends the request."""
    from byteor.acts.approvals import keep_answer, read_kept
    from byteor.cli.governed import moment, signer_from
    from byteor.governance.answers import Answer
    from byteor.governance.canonical import time_of
    from byteor.governance.companion import Denial, seal_denial
    from byteor.governance.trust import trusted_keys

    kept = read_kept(which)
    _same_digest(kept.request, digest)
    keys = trusted_keys()
    now = moment()
    denial = Denial(
        issued_at=time_of(now),
        issued_by=_principal(keys, kid),
        kid=kid,
        reason=reason,
        request_id=kept.request.request_id,
        request_sha256=kept.request.digest,
        v=1,
    )
    answer = Answer(denial=seal_denial(denial, signer_from(key_file, passphrase_fd)))
    seq = keep_answer(kept.request, kid, answer, keys=keys, now=now)
    _told("approval-deny", which, seq, now, json)


@app.command("revoke")
def revoke(
    which: RequestArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.", show_default=False)],
    kid: KidOption,
    key_file: KeyFileOption,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The list, for other hosts.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the list says anything.")] = 30,
    passphrase_fd: PassphraseOption = None,
    json: Json = False,
) -> None:
    """Take a request or an approval back: the next version of the signed revocation list names it."""
    from byteor.acts.approvals import read_kept, take_back
    from byteor.atomic import write_file
    from byteor.cli.governed import moment, signer_from
    from byteor.governance.canonical import unix_of
    from byteor.governance.revocation import revoke as next_list
    from byteor.governance.revocation import seal_revocations
    from byteor.governance.trust import seen_revocations

    request = read_kept(which).request
    now = moment()
    document = next_list(
        seen_revocations(now=now, current=False),
        request.request_id,
        reason=reason,
        approval_ends=unix_of(request.approval_expires_at),
        now=now,
        lives_s=days * 86_400,
    )
    data = seal_revocations(document, kid, signer_from(key_file, passphrase_fd))
    seq = take_back(request, data, kid, now=now)
    if out is not None:
        write_file(out, data, mode=0o644)
    _told("approval-revoke", which, seq, now, json)


@app.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Requests, credentials, approval.dsse, denials.")
    ],
    json: Json = False,
) -> None:
    """Take in requests and signed answers that travelled as files, in any order."""
    from byteor.acts.approvals import bring_in
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text

    done = bring_in(paths, now=moment())
    if json:
        rows = [{"kind": kind, "request_id": one, "audit_seq": seq} for kind, one, seq in done]
        emit_json("approval-import", {"imported": rows})
    else:
        emit_text("\n".join(f"{kind} {one}" for kind, one, _ in done))


@app.command("export")
def export(
    which: RequestArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to.", show_default=False)],
    json: Json = False,
) -> None:
    """Write a request and its answers as files, to be sent to approvers or to the host that will run."""
    from byteor.acts.approvals import read_kept, send_out
    from byteor.cli.output import emit_json, emit_text

    files = [str(path) for path in send_out(read_kept(which), out)]
    if json:
        emit_json("approval-export", {"request_id": which, "files": files})
    else:
        emit_text("\n".join(files))


def _same_digest(request: Request, digest: str) -> None:
    """Who signs names what was shown: a request that was swapped in between has another digest."""
    from byteor.governance.errors import refused

    if digest != request.digest:
        message = f"the request's digest is {request.digest}, not the one that you were shown"
        raise refused("E_REQUEST", message, hint="look again: byteor approval show")


def _principal(keys: Any, kid: str) -> str:
    from byteor.governance.errors import refused

    key = keys.key(kid)
    if key is None:
        raise refused("E_UNKNOWN_KEY", f"there is no key `{kid}` in the trusted key set")
    return str(key.principal)


def _log_seen() -> tuple[int, str] | None:
    """(size, root) of this host's audit log: what the approver puts into the companion, as its witness."""
    from byteor_store import AuditLog, audit_path

    if not audit_path().exists():
        return None
    with AuditLog.observe(audit_path()) as log:
        tree = log.tree()
    return tree.size, tree.root().hex()


def _told(schema: str, which: str, seq: int, now: int, json: bool) -> None:
    from byteor.acts.approvals import account, read_kept
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys

    state = account(read_kept(which), trusted_keys(), now).progress.state
    if json:
        emit_json(schema, {"request_id": which, "state": state, "audit_seq": seq})
    else:
        emit_text(f"{which}: {state}")


def _fields(kept: Kept, found: Account, now: int) -> dict[str, Any]:
    import msgspec

    from byteor.governance.canonical import unix_of

    request = kept.request
    ends = {"pending": request.request_expires_at, "approved": request.approval_expires_at}
    end = ends.get(found.progress.state)
    document: dict[str, Any] = msgspec.to_builtins(request)
    return {
        **document,
        "digest": request.digest,
        "state": found.progress.state,
        "left_s": max(0, unix_of(end) - now) if end else None,
        "uses": found.progress.uses,
        "approved_by": list(found.progress.approved_by),
        "denied_by": found.progress.denied_by,
        "void": dict(found.void),
        "standings": msgspec.to_builtins(found.standings),
    }


def _left(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
