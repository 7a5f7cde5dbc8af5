"""``byteor approval approve|deny|revoke``: signed answers, and taking them back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byteor.cli.governed import KeyFileOption, KidOption, PassphraseOption, RequestArgument
from byteor.cli.options import DryRun, Json

if TYPE_CHECKING:
    from byteor.acts.approvals import Kept
    from byteor.governance.answers import Answer
    from byteor.governance.request import Request

DigestOption = Annotated[
    str,
    typer.Option(
        "--digest", metavar="D", help="The request's digest, as approval show printed it.", show_default=False
    ),
]


def approve(
    which: RequestArgument,
    digest: DigestOption,
    kid: KidOption,
    key_file: KeyFileOption,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Sign a yes: credential and companion, over the digest of what you were shown. It runs nothing."""
    from byteor.acts.approvals import read_kept
    from byteor.cli.governed import moment, principal, signer_from
    from byteor.governance.answers import Answer, answer_yes
    from byteor.governance.canonical import time_of
    from byteor.governance.companion import seal_companion
    from byteor.governance.trust import trusted_keys

    kept = read_kept(which)
    _same_digest(kept.request, digest)
    now = moment()
    signer = signer_from(key_file, passphrase_fd)
    credential, unsealed = answer_yes(
        kept.request,
        kid=kid,
        principal=principal(trusted_keys(), kid),
        signer=signer,
        issued_at=time_of(now),
        log=_log_seen(),
    )
    answer = Answer(credential=credential, companion=seal_companion(unsealed, signer))
    _give("approval-approve", kept, kid, answer, now, dry_run=dry_run, json=json)


def deny(
    which: RequestArgument,
    digest: DigestOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why not.", show_default=False)],
    kid: KidOption,
    key_file: KeyFileOption,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Sign a no. One no of somebody who could approve ends the request."""
    from byteor.acts.approvals import read_kept
    from byteor.cli.governed import moment, principal, signer_from
    from byteor.governance.answers import Answer
    from byteor.governance.canonical import time_of
    from byteor.governance.companion import Denial, seal_denial
    from byteor.governance.trust import trusted_keys

    kept = read_kept(which)
    _same_digest(kept.request, digest)
    now = moment()
    denial = Denial(
        issued_at=time_of(now),
        issued_by=principal(trusted_keys(), kid),
        kid=kid,
        reason=reason,
        request_id=kept.request.request_id,
        request_sha256=kept.request.digest,
        v=1,
    )
    answer = Answer(denial=seal_denial(denial, signer_from(key_file, passphrase_fd)))
    _give("approval-deny", kept, kid, answer, now, dry_run=dry_run, json=json)


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
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take a request or an approval back: the next version of the signed revocation list names it."""
    from byteor.acts.approvals import read_kept, take_back
    from byteor.atomic import write_file
    from byteor.cli.governed import moment, signer_from
    from byteor.governance.canonical import unix_of
    from byteor.governance.revocation import revoke as next_list
    from byteor.governance.revocation import seal_revocations
    from byteor.governance.trust import check_revocations, seen_revocations

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
    if dry_run:
        check_revocations(data, now=now)
        _would("approval-revoke", which, "revoked", json)
        return
    seq = take_back(request, data, kid, now=now)
    if out is not None:
        write_file(out, data, mode=0o644)
    _told("approval-revoke", which, seq, now, json)


def _same_digest(request: Request, digest: str) -> None:
    """Who signs names what was shown: a request that was swapped in between has another digest."""
    from byteor.governance.errors import refused

    if digest != request.digest:
        message = f"the request's digest is {request.digest}, not the one that you were shown"
        raise refused("E_REQUEST", message, hint="look again: byteor approval show")


def _log_seen() -> tuple[int, str] | None:
    """(size, root) of this host's audit log: what the approver puts into the companion, as its witness."""
    from byteor_store import AuditLog, audit_path

    if not audit_path().exists():
        return None
    with AuditLog.observe(audit_path()) as log:
        tree = log.tree()
    return tree.size, tree.root().hex()


def _give(schema: str, kept: Kept, kid: str, answer: Answer, now: int, *, dry_run: bool, json: bool) -> None:
    from byteor.acts.approvals import keep_answer, state_with
    from byteor.governance.trust import trusted_keys

    which, keys = kept.request.request_id, trusted_keys()
    if dry_run:
        _would(schema, which, state_with(kept, kid, answer, keys=keys, now=now), json)
        return
    seq = keep_answer(kept.request, kid, answer, keys=keys, now=now)
    _told(schema, which, seq, now, json)


def _would(schema: str, which: str, state: str, json: bool) -> None:
    from byteor.cli.output import emit_would

    fields = {"request_id": which, "state": state, "audit_seq": None}
    emit_would(schema, fields, f"make {which} {state}", as_json=json)


def _told(schema: str, which: str, seq: int, now: int, json: bool) -> None:
    from byteor.acts.approvals import account, read_kept
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys

    state = account(read_kept(which), trusted_keys(), now).progress.state
    if json:
        emit_json(schema, {"request_id": which, "state": state, "audit_seq": seq})
    else:
        emit_text(f"{which}: {state}")
