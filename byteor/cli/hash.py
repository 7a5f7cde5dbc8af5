"""``byteor hash``: the hash that approvals and runs name a spec by."""

from __future__ import annotations

from byteor.cli.options import Json, SpecArgument, SpecOption, Strict, one_spec


def command(
    spec_argument: SpecArgument = None, spec: SpecOption = None, strict: Strict = False, json: Json = False
) -> None:
    """Print the hash of a spec, or of the spec that a plan lowers to."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.spec import load

    valid = load(one_spec(spec_argument, spec), strict)
    if json:
        emit_json("hash", {"name": valid.name, "model": valid.model, "spec_hash": valid.spec_hash})
    else:
        emit_text(valid.spec_hash)
