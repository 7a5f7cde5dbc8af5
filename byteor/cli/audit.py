"""``byteor audit``: read the log of what happened on this host, and check that nobody changed it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor_store import Anchor, Row

FOLLOW_PERIOD_S = 0.2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The tamper-evident log of this host.")

PathOption = Annotated[
    Path | None,
    typer.Option("--log", metavar="PATH", help="Another audit.db than this user's.", show_default=False),
]


@app.command("log")
def log(
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Only what concerns this run.", show_default=False)
    ] = None,
    last: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the newest N entries.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with entries as they come.")] = False,
    path: PathOption = None,
    json: Json = False,
) -> None:
    """Print entries, oldest first. With --json one document; with --follow one JSON line an entry."""
    import time

    from byteor.cli.output import emit_json, emit_text
    from byteor_store import AuditLog, audit_path

    place = path or audit_path()
    with AuditLog.observe(place) as found:
        rows = found.rows(run_id=run, last=last)
        if not follow:
            if json:
                emit_json("audit-log", {"path": str(place), "entries": [entry(row) for row in rows]})
            else:
                for row in rows:
                    emit_text(line(row))
            return
        newest = -1
        while True:
            for row in rows:
                emit_json("audit-entry", entry(row)) if json else emit_text(line(row))
                newest = row.leaf.seq
            time.sleep(FOLLOW_PERIOD_S)
            rows = found.rows(after=newest, run_id=run)


@app.command("verify")
def verify(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="The audit.db; this user's when absent.", show_default=False),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE:ROOT", help="A size and root (hex) that you noted elsewhere; repeatable."),
    ] = None,
    require_witness: Annotated[
        bool, typer.Option("--require-witness", help="Without a witness that agrees, exit 9.")
    ] = False,
    json: Json = False,
) -> None:
    """Check every entry, body, page, checkpoint and the tree over them. Exit 0 intact, 9 tampered.

    A log that was written anew from its start agrees with itself: only a witness, a size and root that
    somebody kept outside this host, can tell.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor_store import audit_path
    from byteor_store import verify as verify_log

    place = path or audit_path()
    found = verify_log(place, [_anchor(text) for text in witness or ()])
    lonely = require_witness and found.ok and not found.witnessed
    code = found.problem.code if found.problem else "E_UNWITNESSED" if lonely else None
    detail = found.problem.detail if found.problem else "no witness was given" if lonely else ""
    if json:
        document = {
            "ok": code is None,
            "code": code,
            "detail": detail,
            "path": str(place),
            "size": found.size,
            "root": found.root,
            "checkpoint_size": found.checkpoint_size,
            "witnessed": found.witnessed,
            "first_bad_seq": found.problem.seq if found.problem else None,
        }
        emit_json("audit-verify", document)
    elif code is None:
        seen = "agrees with the witness" if found.witnessed else "not witnessed"
        emit_text(f"intact: {found.size:,} entries, {seen}\nroot {found.size}:{found.root}")
    else:
        emit_text(f"NOT intact [{code}]: {detail}\n{place}: keep this file as evidence")
    if code is not None:
        raise typer.Exit(Exit.INTEGRITY)


def _anchor(text: str) -> Anchor:
    from byteor.cli.options import usage_error
    from byteor_store import Anchor

    size, _, root = text.partition(":")
    try:
        return Anchor(int(size), bytes.fromhex(root.removeprefix("sha256:")))
    except ValueError:
        raise usage_error(
            f"{text!r} is no SIZE:ROOT", "as byteor audit verify prints it: 12:9f3a..."
        ) from None


def entry(row: Row) -> dict[str, Any]:
    """An entry as ``--json`` gives it: the leaf's members, its hash, and the body (null: none or erased)."""
    import msgspec

    from byteor.cli.output import rfc3339

    return {
        **msgspec.to_builtins(row.leaf),
        "ts": rfc3339(int(row.leaf.ts_unix_ns)),
        "leaf_hash": row.leaf_hash.hex(),
        "body": None if row.body is None else msgspec.Raw(row.body),
    }


def line(row: Row) -> str:
    """An entry on one line; nothing in it can move the cursor or start a new line."""
    import msgspec

    from byteor.cli.output import rfc3339

    leaf = row.leaf
    parts = [f"#{leaf.seq}", rfc3339(int(leaf.ts_unix_ns)), leaf.actor, leaf.action]
    named = {"run": leaf.run_id, "env": leaf.env, "spec": leaf.spec_hash, "decision": leaf.decision}
    parts += [f"{name}={value}" for name, value in named.items() if value is not None]
    if row.body is not None:
        body = msgspec.json.decode(row.body, type=dict[str, msgspec.Raw])
        parts += [f"{name}={bytes(value).decode()}" for name, value in body.items()]
    elif leaf.body_digest is not None:
        parts.append("(body erased)")
    text = "  ".join(parts)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
