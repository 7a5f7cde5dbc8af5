"""``byteor fmt``: a file in canonical form, in place."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byteor.cli.options import Json, Strict

if TYPE_CHECKING:
    from byteor.errors import ByteorError
    from byteor.spec.finding import Finding


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan or spec in KV.")],
    check: Annotated[bool, typer.Option("--check", help="Only tell; exit 1 when it would change.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write here instead of in place.")
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Rewrite a file canonically: fixed order, defaults written out, no comments, no unknown keys.

    A JSON or TOML document needs --output; what is written is KV.
    """
    from byteor.atomic import write_file
    from byteor.cli.output import emit_json, emit_text, json_text, note, shown_text
    from byteor.cli.spec_io import finding_fields, finding_lines
    from byteor.errors import Exit
    from byteor.spec.errors import SpecError
    from byteor.spec.files import read_bounded

    if file.suffix.lower() in (".json", ".toml") and (check or output is None):
        raise _only_kv(file)
    before = read_bounded(file)
    canonical, findings = _canonical(file, before, strict=strict)
    changed = before != canonical
    target = (output or file).resolve()  # a link stays a link
    lost = finding_lines(findings)  # an unknown key does not enter the canonical form
    if changed and output is None and not check:
        comments = sum(line.startswith(b"#") for line in before.splitlines())
        if comments:
            lost.append(f"{comments} comment lines dropped: the canonical form has none")
    if lost:
        note("\n".join(lost))
    if not check and (changed or output is not None):
        mode = stat.S_IMODE(file.stat().st_mode)
        if output is None and read_bounded(target) != before:
            raise SpecError([_saved_meanwhile(file)], exit=Exit.CONFLICT)
        write_file(target, canonical, mode=mode)
    if json:
        told = [finding_fields(finding) for finding in findings]
        emit_json("fmt", {"path": json_text(str(output or file)), "changed": changed, "findings": told})
    else:
        words = "would change" if check else "rewritten"
        emit_text(f"{shown_text(str(output or file))}: {words if changed else 'canonical'}")
    return Exit.CHECK_FAILED if check and changed else Exit.OK


def _canonical(file: Path, data: bytes, *, strict: bool) -> tuple[bytes, list[Finding]]:
    """What ``data``, just read from ``file``, is in canonical form, and the warnings. Raises ``SpecError``.

    The bytes are given, not the path: what is rewritten is what was read, whoever saves meanwhile.
    """
    import dataclasses

    from msgspec.structs import replace

    from byteor.spec.document import read_document
    from byteor.spec.errors import SpecError

    document = read_document(data, format=file.suffix[1:].lower() or "kv", strict=strict)
    findings = [
        replace(found, where=dataclasses.replace(found.where, file=str(file))) for found in document.findings
    ]
    canonical = document.canonical()
    if canonical is None:
        raise SpecError(findings)
    return canonical, findings


def _only_kv(file: Path) -> ByteorError:
    from byteor.errors import ByteorError, Exit

    hint = f"byteor fmt {file} --output {file.with_suffix('.kv').name}"
    return ByteorError("E_USAGE", "only KV is checked, or formatted in place", hint=hint, exit=Exit.USAGE)


def _saved_meanwhile(file: Path) -> Finding:
    from byteor.spec.finding import Findings

    findings = Findings(str(file))
    findings.add("E_CHANGED", "the file was saved while it was formatted", hint="run byteor fmt again")
    return next(iter(findings))
