"""``byteor describe``: one screen about a plan or spec."""

from __future__ import annotations

from byteor.cli.options import Json, SpecArgument, SpecOption, Strict, one_spec


def command(
    spec_argument: SpecArgument = None, spec: SpecOption = None, strict: Strict = False, json: Json = False
) -> None:
    """Show identity, shape, sizes, side effects and warnings of a spec, or of what a plan lowers to."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.spec import check_document, read_document
    from byteor.spec.describe import describe, describe_text

    report = check_document(read_document(one_spec(spec_argument, spec), strict=strict))
    if json:
        emit_json("describe", describe(report))
    else:
        emit_text(describe_text(report))
