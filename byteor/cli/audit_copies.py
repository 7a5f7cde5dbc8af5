"""``byteor audit export|backup|restore|erase``: copies of the log, and what may be taken out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import DryRun, Json

PathOption = Annotated[
    Path | None,
    typer.Option("--log", metavar="PATH", help="Another audit.db than this user's.", show_default=False),
]


def export(
    db: Annotated[
        Path, typer.Option("--db", metavar="FILE", help="The database to make.", show_default=False)
    ],
    no_bodies: Annotated[bool, typer.Option("--no-bodies", help="Leaves alone, to be published.")] = False,
    path: PathOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy the log into an ordinary SQLite database, to be queried with any tool."""
    from byteor.acts.export import check_target, export_db
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor_store import audit_path

    if dry_run:
        check_target(db)
        count = size_of(path or audit_path())
        emit_would(
            "audit-export", {"path": str(db), "entries": count}, f"export {count:,} entries", as_json=json
        )
        return
    count = export_db(path or audit_path(), db, bodies=not no_bodies)
    if json:
        emit_json("audit-export", {"path": str(db), "entries": count})
    else:
        emit_text(f"{db}: {count:,} entries")


def backup(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The copy.", show_default=False)],
    path: PathOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy the log as it is at one moment, also while it is written. Keep its SIZE:ROOT elsewhere."""
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor_store import audit_path
    from byteor_store.backup import backup as copy
    from byteor_store.backup import check_out

    if dry_run:
        check_out(out)
        count = size_of(path or audit_path())
        told = {"path": str(out), "size": count, "root": None}
        emit_would("audit-backup", told, f"copy {count:,} entries into {out}", as_json=json)
        return
    tree = copy(path or audit_path(), out)
    root = tree.root().hex()
    if json:
        emit_json("audit-backup", {"path": str(out), "size": tree.size, "root": root})
    else:
        emit_text(f"{out}: {tree.size:,} entries\nroot {tree.size}:{root}")


def restore(
    copy: Annotated[Path, typer.Argument(metavar="FILE", help="As byteor audit backup wrote it.")],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put a copy in the place of this host's log, which moves aside; a signed entry says what was lost.

    Nothing may run meanwhile. Witnesses then read E_RESTORED; those who believe it begin anew with
    byteor audit cosign --restored.
    """
    from byteor.acts.witness import check_idle, restore_log
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text, emit_would

    if dry_run:
        from byteor_store import audit_path
        from byteor_store.backup import check_copy, tree_of

        check_idle()
        size, lost = check_copy(copy).size, tree_of(audit_path()).size
        text = f"restore {size:,} entries in place of {lost:,}"
        emit_would("audit-restore", {"audit_seq": None, "aside": None}, text, as_json=json)
        return
    aside, seq = restore_log(copy, now=moment())
    if json:
        emit_json("audit-restore", {"audit_seq": seq, "aside": str(aside)})
    else:
        emit_text(f"restored; the log of before is {aside}; entry {seq} says so")


def erase(
    seq: Annotated[
        int, typer.Option("--entry", metavar="N", min=0, help="Whose body goes.", show_default=False)
    ],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; it stays in the log.", show_default=False)
    ],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Erase the body of an entry for good. The entry stays, an erase entry says so, and the log verifies."""
    from byteor.acts.log import open_log
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor_store import AuditLog, audit_path

    with AuditLog.observe(audit_path()) as found:  # erasing makes no log
        found.check_body(seq)
    if dry_run:
        emit_would(
            "audit-erase", {"erased": seq, "audit_seq": None}, f"erase the body of {seq}", as_json=json
        )
        return
    with open_log() as log:
        own = log.erase_body(seq, reason=reason)
    if json:
        emit_json("audit-erase", {"erased": seq, "audit_seq": own})
    else:
        emit_text(f"the body of entry {seq} is erased, as entry {own} says")


def size_of(log: Path) -> int:
    """How many entries a log has."""
    from byteor_store import AuditLog

    with AuditLog.observe(log) as found:
        return found.size()
