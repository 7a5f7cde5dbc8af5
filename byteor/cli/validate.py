"""``byteor validate``: is every one of these plans and specs right, and if not, what is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from byteor.cli.options import Json, Strict


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="SPEC...", help="Plans, specs, or folders of them.", show_default=False),
    ] = None,
    spec: Annotated[
        list[str] | None, typer.Option("--spec", metavar="SPEC", help="The same, as an option.")
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Check files and report every finding of each in one pass. Exit 3 when any is not right."""
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text
    from byteor.cli.spec_io import check_file
    from byteor.errors import ByteorError, Exit
    from byteor.spec.discover import find_documents

    named = [*(paths or ()), *(spec or ())]
    if not named:
        raise usage_error("no spec was named", "byteor validate SPEC..., or a folder")
    files = list(find_documents(named))
    if not files:
        hint = "plans and specs end in .kv, .plan.json, .plan.toml, .spec.json or .spec.toml"
        message = f"no plan or spec in {', '.join(named)}"
        raise ByteorError("E_NOT_FOUND", message, hint=hint, exit=Exit.NOT_FOUND)
    documents = [_document(path, check_file(path, strict=strict)) for path in files]
    bad = [document for document in documents if not document["ok"]]
    if json:
        for document in documents:
            del document["shown"], document["shown_path"]
        emit_json("validate", {"ok": not bad, "documents": documents})
    else:
        emit_text(_text(documents))
    return Exit.INVALID if bad else Exit.OK


def _document(path: str, report: Any) -> dict[str, Any]:
    from byteor.cli.output import json_text, shown_text
    from byteor.cli.spec_io import finding_fields, finding_lines

    read, spec = report.document, report.spec
    value = read.value if read is not None else None
    return {
        "path": json_text(path),
        "shown_path": shown_text(path),
        "kind": read.kind if read is not None else None,
        "model": _model(read, spec),
        "name": getattr(value, "name", None) or None,
        "spec_hash": spec.spec_hash if spec is not None else None,
        "ok": report.ok,
        "findings": [finding_fields(finding) for finding in report.plan_diagnostics],
        "shown": finding_lines(report.plan_diagnostics),
    }


def _model(read: Any, spec: Any) -> str | None:
    """The execution model: of a plan, the one that its target names."""
    if spec is not None:
        return str(spec.model)
    if read is None or read.value is None:
        return None
    if read.model == "plan":
        return {"SingleRing": "single_ring", "LaneGraph": "lane_graph"}.get(read.value.target)
    return str(read.model)


def _text(documents: list[dict[str, Any]]) -> str:
    width = max(len(document["shown_path"]) for document in documents)
    lines = []
    for document in documents:
        verdict = "ok  " if document["ok"] else "FAIL"
        about = (
            f"{document['kind'] or '-':<4}  {document['model'] or '-':<11}  {document['spec_hash'] or '-'}"
        )
        lines.append(f"{verdict}  {document['shown_path']:<{width}}  {about}")
        lines += [f"      {line}" for line in document["shown"]]
    bad = sum(not document["ok"] for document in documents)
    if len(documents) > 1:
        lines.append(f"{len(documents)} files, {len(documents) - bad} ok, {bad} not ok")
    return "\n".join(lines)
