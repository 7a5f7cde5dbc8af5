"""``byteor approval break-glass|review``: one person in an emergency, a second one afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.governed import EnvironmentsOption, EnvOption, KeyFileOption, KidOption, PassphraseOption
from byteor.cli.options import DryRun, Json, SpecArgument, SpecOption, one_spec


def break_glass(
    env: EnvOption,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; 20 characters or more.", show_default=False)
    ],
    kid: KidOption,
    key_file: KeyFileOption,
    spec_argument: SpecArgument = None,
    spec: SpecOption = None,
    minutes: Annotated[int, typer.Option(min=1, max=15, help="How long it holds.")] = 15,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path(
        "break-glass.dsse"
    ),
    given: EnvironmentsOption = None,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Approve alone, in an emergency: one run of one spec with one capability, for 15 minutes at most.

    A second person must review it within 24 h; until then it stays in everybody's sight. Run it with
    --credential FILE.
    """
    import uuid

    from byteor.acts.approvals import host_audience, known_audience
    from byteor.acts.emergency import break_glass as keep
    from byteor.acts.emergency import check_emergency
    from byteor.atomic import write_file
    from byteor.cli.governed import environments, moment, principal, signer_from
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.governance.break_glass import BreakGlass, seal_break_glass
    from byteor.governance.canonical import time_of
    from byteor.governance.errors import refused
    from byteor.governance.trust import trusted_keys
    from byteor.spec import load

    loaded = load(one_spec(spec_argument, spec), strict=True)
    now = moment()
    environment = environments(given, now, remember=not dry_run).get(env)
    if len(loaded.capabilities) != 1:
        raise refused("E_BREAK_GLASS", f"the spec needs {len(loaded.capabilities)} capabilities, not one")
    keys = trusted_keys()
    document = BreakGlass(
        approval_id=str(uuid.uuid4()),
        audience=(known_audience(environment) or "none yet") if dry_run else host_audience(environment),
        capability=loaded.capabilities[0],
        environment_digest=environment.digest,
        environment_id=environment.id,
        expires_at=time_of(now + minutes * 60),
        issued_at=time_of(now),
        kid=kid,
        principal=principal(keys, kid),
        reason=reason,
        spec_hash=loaded.spec_hash,
        v=1,
    )
    data = seal_break_glass(document, signer_from(key_file, passphrase_fd))
    if dry_run:
        check_emergency(data, keys=keys, now=now)
        told = {"approval_id": None, "expires_at": document.expires_at, "audit_seq": None, "path": str(out)}
        emit_would("approval-break-glass", told, f"break the glass until {document.expires_at}", as_json=json)
        return
    seq = keep(data, environment, keys=keys, now=now)
    write_file(out, data)
    if json:
        fields = {"approval_id": document.approval_id, "expires_at": document.expires_at, "audit_seq": seq}
        emit_json("approval-break-glass", {**fields, "path": str(out)})
    else:
        emit_text(f"{document.approval_id} until {document.expires_at}: {out}")


def review(
    which: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The emergency; none: list them.", show_default=False)
    ] = None,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What you found.", show_default=False)
    ] = None,
    kid: Annotated[
        str | None, typer.Option("--kid", metavar="KID", help="Your key's id.", show_default=False)
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="PEM", help="Your key.", show_default=False)
    ] = None,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """List emergencies with their reviews, or close one: a second person signs what was found.

    While one is open for over 24 h, nobody approves anything in its environment.
    """
    from byteor.acts.emergency import close_review, closed_with, read_glass, reviews
    from byteor.cli.governed import moment, principal, signer_from
    from byteor.cli.key_variables import how_to_sign
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.governance.break_glass import SignedReview, seal_review
    from byteor.governance.canonical import sha256_of, time_of
    from byteor.governance.trust import trusted_keys

    now = moment()
    keys = trusted_keys()
    if which is None:
        found = [kept.review for kept in reviews(keys, now)]
        if json:
            import msgspec

            emit_json("approval-reviews", {"reviews": msgspec.to_builtins(found)})
        else:
            lines = [
                f"{one.approval_id}  {one.environment_id}  {one.principal}  {time_of(one.opened_at)}  "
                + (f"closed by {one.closed_by}" if one.closed_by else "OPEN")
                for one in found
            ]
            emit_text("\n".join(lines) or "no emergencies")
        return
    if note is None or kid is None or key_file is None:
        raise usage_error("a review is signed", f"give --note; {how_to_sign()}")
    document = SignedReview(
        approval_id=which,
        break_glass_sha256=sha256_of(read_glass(which)),
        issued_at=time_of(now),
        issued_by=principal(keys, kid),
        kid=kid,
        note=note,
        v=1,
    )
    closing = seal_review(document, signer_from(key_file, passphrase_fd))
    if dry_run:
        closed_with(which, closing, keys=keys, now=now)
        told = {"approval_id": which, "closed_by": document.issued_by, "audit_seq": None}
        emit_would("approval-review", told, f"close the review of {which}", as_json=json)
        return
    seq = close_review(which, closing, kid, note, keys=keys, now=now)
    if json:
        emit_json(
            "approval-review", {"approval_id": which, "closed_by": document.issued_by, "audit_seq": seq}
        )
    else:
        emit_text(f"{which}: closed by {document.issued_by}")
