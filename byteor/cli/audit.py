"""``byteor audit``: read the log of what happened on this host, and check that nobody changed it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.audit_copies import PathOption, backup, erase, export, restore
from byteor.cli.governed import KeyFileOption, KidOption, PassphraseOption
from byteor.cli.options import DryRun, Json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from byteor_store import Anchor, Row

FOLLOW_PERIOD_S = 0.2
PROOF_LIMIT_BYTES = 1 << 20

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The tamper-evident log of this host.")
for verb in (export, backup, restore, erase):
    app.command(verb.__name__)(verb)


KeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="PUBLIC_KEY",
        help="The log's key as byteor audit checkpoint prints it; signatures are checked with it.",
        show_default=False,
    ),
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
    newest = -1
    while follow:
        with AuditLog.observe(place) as found:  # anew each time: on a full disk it is a copy
            for row in found.rows(after=newest, run_id=run, last=last if newest < 0 else None):
                emit_json("audit-entry", entry(row)) if json else emit_text(line(row))
                newest = row.leaf.seq
        time.sleep(FOLLOW_PERIOD_S)
    with AuditLog.observe(place) as found:
        rows = found.rows(run_id=run, last=last)
        if json:
            emit_json("audit-log", {"path": str(place), "entries": [entry(row) for row in rows]})
        else:
            for row in rows:
                emit_text(line(row))


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
    key: KeyOption = None,
    json: Json = False,
) -> None:
    """Check every entry, body, page, checkpoint and the tree over them. Exit 0 intact, 9 tampered.

    A log that was written anew from its start agrees with itself: only a witness, a size and root that
    somebody kept outside this host, can tell.
    """
    from byteor.acts.witness import remembered
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor_store import audit_path
    from byteor_store import verify as verify_log

    place = path or audit_path()
    anchors = [_anchor(text) for text in witness or ()]
    anchors += remembered(place) if place.exists() else []
    found = verify_log(place, anchors, _public(key))
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
            "signatures_checked": key is not None,
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


@app.command("checkpoint")
def checkpoint(path: PathOption = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Sign the log as it is now with the log's own key (made beside it when there is none).

    Print the note and the public key. Kept outside this host, they are a witness.
    """
    from byteor.cli.audit_copies import size_of
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.settings import load
    from byteor_store import AuditLog, Signer, audit_path
    from byteor_store.checkpoint import read
    from byteor_store.log_key import make_key, public_text

    place = path or audit_path()
    size = size_of(place)  # signing makes no log
    if dry_run:
        emit_would("audit-checkpoint", {"size": size, "note": None}, f"sign {size:,} entries", as_json=json)
        return
    settings = load().settings
    key = make_key(place)
    with AuditLog.open(place) as found:
        note = found.write_checkpoint(Signer(key, settings.org_id, settings.project_id))
    public = public_text(key.public_key())
    if json:
        said = read(note)
        document = {"origin": said.origin, "size": said.size, "root": said.root.hex()}
        emit_json("audit-checkpoint", document | {"note": note.decode(), "public_key": public})
    else:
        emit_text(f"{note.decode()}\npublic key {public}")


@app.command("prove")
def prove(
    seq: Annotated[
        int | None,
        typer.Option("--entry", metavar="N", min=0, help="That this entry is in it.", show_default=False),
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(metavar="SIZE", min=1, help="That it continues its first SIZE.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the proof to this file.", show_default=False)
    ] = None,
    path: PathOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Print a proof that an entry is in the log, or that the log continues an earlier one.

    byteor audit verify-proof checks the first without the log; a witness wants the second to cosign. The
    proof is JSON by itself; --json puts it into a document.
    """
    import msgspec

    from byteor.atomic import write_file
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text, json_text
    from byteor_store import AuditLog, audit_path
    from byteor_store.checkpoint import read
    from byteor_store.cosignature import prove_consistency

    if (seq is None) == (since is None):
        raise usage_error("prove one thing", "--entry N or --since SIZE")
    with AuditLog.observe(path or audit_path()) as found:
        if seq is not None:
            document = msgspec.json.encode(found.prove(seq))
        else:
            note = found.newest_checkpoint()
            size = read(note).size if note is not None else -1
            document = msgspec.json.encode(prove_consistency(found.leaf_hashes(size), since or 0))
    if out is not None and not dry_run:
        write_file(out, document + b"\n")
    if json:
        path_text = None if out is None else json_text(str(out))
        emit_json("audit-prove", {"path": path_text, "dry_run": dry_run, "proof": msgspec.Raw(document)})
    elif out is None:
        emit_text(document.decode())
    else:
        emit_text(f"would write {out}" if dry_run else str(out))


@app.command("verify-proof")
def verify_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof as byteor audit prove wrote it.")],
    key: KeyOption = None,
    json: Json = False,
) -> None:
    """Check a proof. Exit 0: the entry is in the tree whose root it names; 9: it is not."""
    import msgspec

    from byteor.cli.output import emit_json, emit_text
    from byteor_store import verify_proof as check

    proof = check(read_bounded(file), _public(key))
    root = f"{proof.size}:{proof.root}"
    if json:
        leaf = msgspec.Raw(proof.leaf.encode())
        signed = key is not None
        emit_json("audit-proof", {"ok": True, "seq": proof.seq, "root": root, "signed": signed, "leaf": leaf})
    else:
        emit_text(f"entry {proof.seq} is in the log with the root {root}\n{printable(proof.leaf)}")


@app.command("cosign")
def cosign(
    kid: KidOption,
    key_file: KeyFileOption,
    note: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A checkpoint that travelled, in place of a log.", show_default=False
        ),
    ] = None,
    consistency: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="As byteor audit prove --since wrote it.", show_default=False),
    ] = None,
    key: KeyOption = None,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored", help="You believe the entry that says it was restored: begin anew from there."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the note to this file.", show_default=False)
    ] = None,
    path: PathOption = None,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Witness the newest checkpoint: only if it continues what you saw the last time, and then sign it.

    What you saw is remembered here. Exit 9 when the log was rolled back or rewritten since.
    """
    from byteor.acts.witness import cosign_log, cosign_note
    from byteor.atomic import write_file
    from byteor.cli.governed import moment, signer_from, signing_key
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys
    from byteor_store import audit_path
    from byteor_store.cosignature import read_consistency

    if restored and note is not None:
        raise usage_error("--restored reads the log itself, not a note", "leave --note out")
    signer = signer_from(key_file, passphrase_fd)
    own = signing_key(trusted_keys(), kid, signer)
    if note is None:
        found = cosign_log(
            path or audit_path(), own, signer, now=moment(), restored=restored, keep=not dry_run
        )
    else:
        proof = read_consistency(read_bounded(consistency)) if consistency else None
        found = cosign_note(read_bounded(note), proof, key, own, signer, now=moment(), keep=not dry_run)
    if out is not None and not dry_run:
        write_file(out, found.note, mode=0o644)
    if json:
        fields = {
            "origin": found.origin,
            "size": found.size,
            "root": found.root,
            "before": found.before,
            "dry_run": dry_run,
        }
        emit_json("audit-cosign", {**fields, "note": found.note.decode()})
    else:
        emit_text(found.note.decode())


def read_bounded(file: Path) -> bytes:
    """At most what a proof can be. Raises ``E_NOT_FOUND`` (exit 7); other failures are ``OSError``."""
    from byteor.errors import ByteorError, Exit

    try:
        with file.open("rb") as opened:
            return opened.read(PROOF_LIMIT_BYTES)
    except FileNotFoundError:
        raise ByteorError("E_NOT_FOUND", f"no such file: {file}", exit=Exit.NOT_FOUND) from None


def _public(text: str | None) -> Ed25519PublicKey | None:
    from byteor_store.log_key import read_public

    return None if text is None else read_public(text)


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
    spec = None if leaf.spec_hash is None else leaf.spec_hash.removeprefix("sha256:")[:12]
    named = {"run": leaf.run_id, "env": leaf.env, "spec": spec, "decision": leaf.decision}
    parts += [f"{name}={value}" for name, value in named.items() if value is not None]
    if row.body is not None:
        body = msgspec.json.decode(row.body, type=dict[str, msgspec.Raw])
        parts += [f"{name}={bytes(value).decode()}" for name, value in body.items()]
    elif leaf.body_digest is not None:
        parts.append("(body erased)")
    return printable("  ".join(parts))


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
