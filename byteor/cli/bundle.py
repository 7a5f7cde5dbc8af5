"""``byteor bundle``: look into incident bundles without trusting them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.incident.bundle.manifest import BundleVerdict

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into incident bundles.")

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="A bundle: zip file or folder.")]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="PUBLIC_KEY", help="A host's key that you compared; repeatable.", show_default=False
    ),
]


@app.command("verify")
def verify(path: PathArgument, key: Keys = None, json: Json = False) -> None:
    """Check shape, signature and every digest. Exit 0 sound, 9 not, or signed by nobody known here."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit

    verdict = _verdict(path, key)
    if json:
        emit_json("bundle-verify", _document(path, verdict))
    elif verdict.ok:
        emit_text(f"sound: {len(verdict.files)} files, signed by {verdict.signed_by}")
    else:
        emit_text(f"{verdict.code}: {verdict.detail}")
    raise typer.Exit(Exit.OK if verdict.ok else Exit.INTEGRITY)


@app.command("show")
def show(
    path: PathArgument,
    member: Annotated[
        str | None,
        typer.Option("--member", metavar="NAME", help="Print this file of it.", show_default=False),
    ] = None,
    key: Keys = None,
    json: Json = False,
) -> None:
    """Tell what a bundle holds, in the order in which an operator reads it."""
    from byteor.cli.output import emit_json, emit_text, shown_text
    from byteor.incident.bundle.reader import Bundle

    with Bundle(path) as bundle:
        if member is not None:
            text = bundle.read(member).decode("utf-8", "backslashreplace")
            emit_text("\n".join(shown_text(line) for line in text.splitlines()))
            return
        summary = _summary(bundle)
    verdict = _verdict(path, key)
    if json:
        emit_json("bundle-show", {**_document(path, verdict), **summary})
        return
    lines = [
        f"incident     {verdict.incident_id}",
        f"run          {verdict.run_id} ({summary['state']})",
        f"spec         {verdict.spec_hash}",
        f"signature    {verdict.signed_by or verdict.detail}",
        f"validation   {'ok' if summary['validation_ok'] else 'failed'}",
        f"policy       {summary['decision'] or 'no decision recorded'}",
        f"failure      {summary['first_failure'] or 'none'}",
        *(f"  {file.path:44} {file.size:>14,} bytes" for file in verdict.files),
        f"do: byteor replay {path}",
    ]
    emit_text("\n".join(shown_text(line) for line in lines))


@app.command("diff")
def diff(a: PathArgument, b: PathArgument, json: Json = False) -> None:
    """Which files of two bundles differ, and where: JSON by path, captures by counts. Exit 0 same, 1 not."""
    from byteor.cli.output import emit_json, emit_text, shown_text
    from byteor.errors import Exit
    from byteor.incident.bundle.diff import bundle_diff
    from byteor.incident.bundle.reader import Bundle

    with Bundle(a) as first, Bundle(b) as second:
        changes = bundle_diff(first, second)
    if json:
        emit_json("bundle-diff", {"same": not changes, "changes": changes})
    else:
        lines = (f"{c['op']:8} {c['path']}  {c['a']} -> {c['b']}" for c in changes)
        emit_text("\n".join(shown_text(line) for line in lines) or "same")
    raise typer.Exit(Exit.CHECK_FAILED if changes else Exit.OK)


def _verdict(path: Path, keys: list[str] | None) -> BundleVerdict:
    from byteor.acts.host_key import trusted_signers
    from byteor.incident.bundle.manifest import refused_verdict, verify_bundle
    from byteor.incident.bundle.reader import Bundle
    from byteor.incident.errors import IncidentError

    try:
        with Bundle(path) as bundle:
            return verify_bundle(bundle, trusted_signers(tuple(keys or ())))
    except IncidentError as error:
        if error.code == "E_BUNDLE_NOT_FOUND":
            raise
        return refused_verdict(error)


def _document(path: Path, verdict: BundleVerdict) -> dict[str, Any]:
    return {
        "ok": verdict.ok,
        "code": verdict.code,
        "detail": verdict.detail,
        "path": str(path),
        "incident_id": verdict.incident_id,
        "run_id": verdict.run_id,
        "spec_hash": verdict.spec_hash,
        "signer": verdict.signer,
        "signed_by": verdict.signed_by,
        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in verdict.files],
    }


def _summary(bundle: Any) -> dict[str, Any]:
    runtime, policy = bundle.json("runtime.json"), bundle.json("policy_audit.json")
    validation = bundle.json("spec_validation.json")
    documents = (runtime, policy, validation)
    runtime, policy, validation = (item if isinstance(item, dict) else {} for item in documents)
    result = runtime.get("result")
    failure = result.get("first_failure") if isinstance(result, dict) else None
    told = failure if isinstance(failure, dict) else {}
    return {
        "state": runtime.get("state"),
        "validation_ok": validation.get("ok"),
        "decision": policy.get("decision"),
        "first_failure": f"{told.get('stage')}: {told.get('error')}" if told else None,
    }
