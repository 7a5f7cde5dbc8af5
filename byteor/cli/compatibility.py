"""``byteor compatibility``: may NEW take OLD's place, and what would that void."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from byteor.cli.options import Json, Strict


def command(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The plan or spec that runs now.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The plan or spec that would follow.")],
    credential: Annotated[
        list[Path] | None, typer.Option("--credential", metavar="FILE", help="A credential to look at.")
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Tell whether NEW needs an approval of its own, whether it can follow live or only after draining,
    and which runs on this host and which of the given credentials name OLD. Exit 1 when it cannot follow.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.runtime.folders import list_runs
    from byteor.spec import load
    from byteor.spec.compatibility import compatibility

    found = compatibility(load(old, strict), load(new, strict))
    old_hash = found.diff.a.spec_hash
    runs = (
        []
        if found.diff.same
        else [
            info.identity.run_id for info in list_runs() if info.alive and info.identity.spec_hash == old_hash
        ]
    )
    credentials = [_credential(path, old_hash, same=found.diff.same) for path in credential or ()]
    document = {
        "same": found.diff.same,
        "replace": found.replace,
        "needs_approval": found.needs_approval,
        "voids_approvals": found.voids_approvals,
        "a": {"name": found.diff.a.name, "spec_hash": old_hash},
        "b": {"name": found.diff.b.name, "spec_hash": found.diff.b.spec_hash},
        "reasons": list(found.reasons),
        "runs_to_drain": runs,
        "credentials": credentials,
    }
    if json:
        emit_json("compatibility", document)
    else:
        emit_text("\n".join(_lines(document)))
    return Exit.CHECK_FAILED if found.replace == "no" else Exit.OK


def _lines(document: dict[str, Any]) -> list[str]:
    verdicts = {"live": "yes, live", "drained": "yes, after draining", "no": "no"}
    approval = "a new one where side effects need one" if document["needs_approval"] else "none"
    lines = [f"replace    {verdicts[document['replace']]}", f"approval   {approval}"]
    lines += [f"because    {reason}" for reason in document["reasons"]]
    lines += [f"run        {run} would be drained" for run in document["runs_to_drain"]]
    for one in document["credentials"]:
        verdict = "would be void" if one["voided"] else "not concerned"
        lines.append(
            f"credential {one['path']}: {verdict}" + (f" ({one['problem']})" if one["problem"] else "")
        )
    return lines


def _credential(path: Path, old_hash: str, *, same: bool) -> dict[str, Any]:
    """Which spec the credential names. Nothing is verified here: that is ``approval verify``'s task."""
    import base64
    import binascii

    import msgspec

    from byteor.spec.files import read_bounded

    found: dict[str, Any] = {"path": str(path), "approval_id": None, "spec_hash": None, "voided": False}
    try:
        payload = read_bounded(path).strip().split(b".")[0]
        fields = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        found["approval_id"], found["spec_hash"] = fields["approval_id"], fields["spec_hash"]
    except (binascii.Error, ValueError, KeyError, TypeError, msgspec.DecodeError):
        return found | {"problem": "not a credential"}
    return found | {"voided": not same and found["spec_hash"] == old_hash, "problem": None}
