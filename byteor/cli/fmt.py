"""``byteor fmt``: a file in canonical form, in place."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json, Strict


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
    from byteor.cli.output import emit_json, emit_text, note
    from byteor.errors import ByteorError, Exit
    from byteor.spec.document import read_document
    from byteor.spec.errors import SpecError
    from byteor.spec.files import read_bounded

    document = read_document(file, strict=strict)
    canonical = document.canonical()
    if canonical is None:
        raise SpecError(document.findings)
    before = read_bounded(file)
    changed = before != canonical
    if changed and not check:
        if output is None and document.format != "kv":
            hint = f"byteor fmt {file} --output {file.with_suffix('.kv').name}"
            raise ByteorError("E_USAGE", "only KV is formatted in place", hint=hint, exit=Exit.USAGE)
        target = output or file
        comments = sum(line.startswith(b"#") for line in before.splitlines())
        if comments and output is None:
            note(f"{comments} comment lines dropped: the canonical form has none")
        write_file(target, canonical, mode=stat.S_IMODE(file.stat().st_mode))
    elif output is not None and not check:
        write_file(output, canonical, mode=stat.S_IMODE(file.stat().st_mode))
    if json:
        emit_json("fmt", {"path": str(output or file), "changed": changed})
    else:
        words = "would change" if check else "rewritten"
        emit_text(f"{output or file}: {words if changed else 'canonical'}")
    return Exit.CHECK_FAILED if check and changed else Exit.OK
