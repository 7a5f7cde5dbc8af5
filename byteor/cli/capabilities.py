"""``byteor capabilities``: what a spec may do to the outside, and what this build offers."""

from __future__ import annotations

from byteor.cli.options import Json, SpecArgument, SpecOption, Strict


def command(
    spec_argument: SpecArgument = None, spec: SpecOption = None, strict: Strict = False, json: Json = False
) -> None:
    """Tell the capabilities that a spec needs, stage by stage; without a spec, the stage keys of this
    build."""
    from byteor.cli.options import one_spec
    from byteor.cli.output import emit_json, emit_text
    from byteor.runtime.stages.catalogue import known_stages
    from byteor.spec import load
    from byteor.spec.needs import needs

    rows = [
        {"key": stage.key, "kind": stage.kind, "writes": stage.writes, "native": stage.native is not None}
        for stage in sorted(known_stages(), key=lambda stage: stage.key)
    ]
    offered = {row["key"] for row in rows}
    if spec_argument is None and spec is None:
        if json:
            emit_json("capabilities", {"offered": rows})
        else:
            emit_text("\n".join(f"{row['key']:<18} {row['kind']}" for row in rows))
        return
    valid = load(one_spec(spec_argument, spec), strict)
    found = needs(valid.spec)
    for one in found:
        one["offered"] = one["key"].partition(":")[0] in offered
    if json:
        document = {
            "name": valid.name,
            "spec_hash": valid.spec_hash,
            "capabilities": list(valid.capabilities),
        }
        emit_json("capabilities", document | {"stages": found, "offered": rows})
        return
    lines = [f"{one['stage']:<24} {one['key']:<40} {one['capability'] or '-'}" for one in found]
    lines += [f"not in this build: {one['key']}" for one in found if not one["offered"]]
    emit_text("\n".join([*lines, "needs: " + (", ".join(valid.capabilities) or "nothing")]))
