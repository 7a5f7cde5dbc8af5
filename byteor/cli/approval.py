"""``byteor approval``: ask, answer, look, and check. Requests and answers are files that travel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.approval_answer import approve, deny, revoke
from byteor.cli.approval_request import request
from byteor.cli.approval_verify import verify
from byteor.cli.emergency import break_glass, review
from byteor.cli.governed import NowOption, RequestArgument
from byteor.cli.options import DryRun, Json

if TYPE_CHECKING:
    from byteor.acts.approvals import Kept
    from byteor.acts.comments import Comment
    from byteor.governance.answers import Account

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Approvals: ask, answer, check.")
for verb in (verify, request, approve, deny, revoke, review):
    app.command(verb.__name__)(verb)
app.command("break-glass")(break_glass)


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
    emit_text("\n".join(line for row in rows for line in _lines(row)) if rows else "no requests")


def _lines(row: dict[str, Any]) -> list[str]:
    """A request on a few lines: who asked, who has approved, who still can, who cannot and why."""
    head = f"{row['request_id']}  {row['state']:<8}  {row['action']} in {row['environment_id']}"
    lines = [
        f"{head}  left {_left(row['left_s'])}",
        f"  asked by {row['requester']}{_how(row)}: {row['reason']}",
        f"  approved by {', '.join(row['approved_by']) or 'nobody'}",
    ]
    if row["state"] == "pending":
        able = [one["principal"] for one in row["standings"] if one["can"]]
        lines.append(f"  still can: {', '.join(able) or 'nobody'}")
        lines += [f"  cannot: {one['principal']} {one['why']}" for one in row["standings"] if not one["can"]]
    return lines


@app.command("show")
def show(which: RequestArgument, now: NowOption = None, json: Json = False) -> None:
    """Show a request: what was asked, its digest, who answered, who still can and why not, and comments."""
    from byteor.acts.approvals import account, read_kept
    from byteor.acts.comments import comments_on
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text, rfc3339
    from byteor.governance.trust import trusted_keys
    from byteor.runtime.words import plain

    at = moment(now)
    kept = read_kept(which)
    fields = _fields(kept, account(kept, trusted_keys(), at), at)
    comments = comments_on(which)
    if json:
        emit_json("approval", {**fields, "comments": _told(comments)})
        return
    single = {key: value for key, value in fields.items() if not isinstance(value, list | dict | tuple)}
    single |= {"left": _left(single.pop("left_s")), "v": None}
    lines = [f"{key:<20} {value}" for key, value in single.items() if value is not None]
    lines += [f"{'capability':<20} {one}" for one in fields["capabilities"]]
    lines += [f"{'quorum':<20} {row['n']} of {row['group']}" for row in fields["quorum"]]
    lines += [f"{'approved by':<20} {who}" for who in fields["approved_by"]]
    lines += [f"{'does not count':<20} {kid}: {why}" for kid, why in fields["void"].items()]
    lines += [
        f"{'can answer' if row['can'] else 'cannot answer':<20} {row['principal']}"
        + (f": {row['why']}" if row["why"] else "")
        for row in fields["standings"]
    ]
    lines += [
        f"{'comment':<20} {rfc3339(one.at_unix_ns)} {plain(one.actor)}: {plain(one.text)}" for one in comments
    ]
    emit_text("\n".join(lines))


@app.command("import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Requests, requester.dsse, credentials, approval.dsse, denials, revocation lists.",
        ),
    ],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take in requests and answers that travelled as files, in any order. A folder is all its files."""
    from byteor.acts.travel import bring_in, would_bring_in
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text

    done = (would_bring_in if dry_run else bring_in)(paths, now=moment())
    if json:
        rows = [{"kind": kind, "request_id": one, "audit_seq": seq} for kind, one, seq in done]
        emit_json("approval-import", {"imported": rows, "dry_run": dry_run})
    else:
        would = "would import " if dry_run else ""
        emit_text("\n".join(f"{would}{kind} {one}" for kind, one, _ in done))


@app.command("export")
def export(
    which: RequestArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to.", show_default=False)],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write a request and its answers as files, to be sent to approvers or to the host that will run."""
    from byteor.acts.approvals import read_kept
    from byteor.acts.travel import send_out, travelling
    from byteor.cli.output import emit_json, emit_text

    kept = read_kept(which)
    files = [str(out / name) for name in travelling(kept)] if dry_run else list(map(str, send_out(kept, out)))
    if json:
        emit_json("approval-export", {"request_id": which, "files": files, "dry_run": dry_run})
    else:
        emit_text("\n".join(f"would write {name}" if dry_run else name for name in files))


def _told(comments: tuple[Comment, ...]) -> list[dict[str, Any]]:
    import msgspec

    return [{**msgspec.to_builtins(one), "at_unix_ns": str(one.at_unix_ns)} for one in comments]


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
        "signed_by_requester": kept.asker is not None,
        "state": found.progress.state,
        "left_s": max(0, unix_of(end) - now) if end else None,
        "uses": found.progress.uses,
        "approved_by": list(found.progress.approved_by),
        "denied_by": found.progress.denied_by,
        "void": dict(found.void),
        "standings": msgspec.to_builtins(found.standings),
    }


def _how(row: dict[str, Any]) -> str:
    return " (signed)" if row["signed_by_requester"] else ""


def _left(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
