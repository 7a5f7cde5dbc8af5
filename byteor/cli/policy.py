"""``byteor policy``: what the decision table says, why, and what another policy would have said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.governed import EnvironmentsOption
from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.governance.explain import Explanation
    from byteor.governance.policy import Inputs

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Policy: may this happen here, and why.")

# The strictest answer among several capabilities is the answer for the run.
STRICTEST_FIRST = ("Deny", "RequireApproval", "DryRunOnly", "Allow")


@app.command("explain")
def explain(
    env: Annotated[
        str | None,
        typer.Option("--env", metavar="NAME", help="An environment of byteor.toml.", show_default=False),
    ] = None,
    given: EnvironmentsOption = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", metavar="SPEC", help="Each capability of this spec.", show_default=False),
    ] = None,
    capability: Annotated[
        str | None,
        typer.Option("--capability", metavar="KIND:ARG", help="One capability.", show_default=False),
    ] = None,
    posture: Annotated[
        str | None, typer.Option(help="dev, staging or prod; in place of --env.", show_default=False)
    ] = None,
    replay_policy: Annotated[
        str | None, typer.Option(help="disabled, dry_run_only or allowed.", show_default=False)
    ] = None,
    side_effects: Annotated[
        str | None, typer.Option(help="deny_all, allow_all or require_approval.", show_default=False)
    ] = None,
    no_side_effect: Annotated[
        bool, typer.Option("--no-side-effect", help="Something that only reads.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As a dry run.")] = False,
    approved: Annotated[bool, typer.Option("--approved", help="As if an approval were verified.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="As a replay.")] = False,
    json: Json = False,
) -> None:
    """Say what policy decides, by which rule, from which inputs, and the smallest change that leads to Allow.

    It asks a question, so it exits 0 whatever the answer is. Without --spec and --capability the question is
    about any capability with a side effect.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.explain import explain as explain_inputs
    from byteor.governance.policy import Inputs

    base = _policies(env, given, posture, replay_policy, side_effects)
    asked = _capabilities(spec, capability, no_side_effect)
    found: list[tuple[str | None, Explanation]] = []
    for one, acts in asked:
        inputs = Inputs(*base, side_effecting=acts, dry_run=dry_run, approved=approved, replay=replay)
        found.append((one, explain_inputs(inputs)))
    worst = min((row for _, row in found), key=lambda row: STRICTEST_FIRST.index(row.decision))
    if json:
        decisions = [{"capability": one, **_fields(row)} for one, row in found]
        emit_json("policy-explain", {**_fields(worst), "decisions": decisions})
    else:
        emit_text("\n".join(_text(one, row) for one, row in found))


def _policies(
    env: str | None,
    given: Path | None,
    posture: str | None,
    replay_policy: str | None,
    side_effects: str | None,
) -> tuple[str, str, str]:
    """(posture, replay policy, side-effect policy): of an environment, or as typed."""
    from byteor.cli.governed import environments, moment
    from byteor.cli.options import usage_error

    typed = (posture, replay_policy, side_effects)
    if env is not None and any(value is not None for value in typed):
        raise usage_error(
            "--env names all three policies", "leave out --posture, --replay-policy, --side-effects"
        )
    if any(value is not None for value in typed):
        if posture is None or replay_policy is None or side_effects is None:
            raise usage_error("a policy is missing", "give --posture, --replay-policy and --side-effects")
        return posture, replay_policy, side_effects
    found = environments(given, moment())
    chosen = found.get(env) if env is not None else found.found[0]
    return chosen.posture, chosen.replay, chosen.side_effects


def _capabilities(
    spec: Path | None, capability: str | None, no_side_effect: bool
) -> list[tuple[str | None, bool]]:
    """(capability, whether it acts): what is asked about, at least one."""
    from byteor.cli.options import usage_error

    if sum((spec is not None, capability is not None, no_side_effect)) > 1:
        raise usage_error("ask about one thing", "one of --spec, --capability, --no-side-effect")
    if spec is not None:
        from byteor.spec import load

        return [(one, True) for one in load(spec, strict=True).capabilities] or [(None, False)]
    if capability is not None:
        from byteor.governance.capability import normalise

        try:
            return [(normalise(capability), True)]
        except ValueError as error:
            raise usage_error(str(error), "http_post:https://host, exec:/path/to/program") from None
    return [(None, not no_side_effect)]


def _fields(row: Explanation) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(row)
    return found


def _text(capability: str | None, row: Explanation) -> str:
    from byteor.governance.policy import FAIL_CLOSED, RULES

    conditions = {rule.rule_id: f"rule {rule.number}: {rule.condition}" for rule in RULES}
    why = conditions.get(row.rule, f"{FAIL_CLOSED}: an input that the table does not know")
    lines = [f"{row.decision}  {row.rule}  ({why})"]
    if capability:
        lines.append(f"  capability       {capability}")
    lines += [f"  {key:<16} {_shown(value)}" for key, value in _inputs(row.inputs).items()]
    if row.smallest_change:
        steps = ", ".join(
            f"{one.input}: {_shown(one.from_)} -> {_shown(one.to)}" for one in row.smallest_change
        )
        lines.append(f"  to Allow         {steps}")
    return "\n".join(lines)


def _inputs(inputs: Inputs) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(inputs)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


@app.command("table")
def table(json: Json = False) -> None:
    """Print all 432 rows: every input there is, with its decision and rule."""
    import msgspec

    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.policy import all_inputs, decide

    rows = [decide(inputs) for inputs in all_inputs()]
    if json:
        flat = [{**_inputs(row.inputs), "decision": row.decision, "rule": row.rule} for row in rows]
        emit_json("policy-table", {"rows": flat})
        return
    widths = (8, 13, 17, 15, 8, 9, 7, 16)
    names = (*rows[0].inputs.__struct_fields__, "decision", "rule")
    lines = [" ".join(f"{name:<{width}}" for name, width in zip(names, (*widths, 0), strict=True))]
    for row in rows:
        cells = (*map(_shown, msgspec.structs.astuple(row.inputs)), row.decision, row.rule)
        lines.append(" ".join(f"{cell:<{width}}" for cell, width in zip(cells, (*widths, 0), strict=True)))
    emit_text("\n".join(lines))


@app.command("check")
def check(given: EnvironmentsOption = None, json: Json = False) -> int:
    """Read every byteor.toml that counts here and tell all that is wrong with it. Exit 3 when anything is."""
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.governance.environment import EnvironmentFileError

    try:
        found = environments(given, moment())
    except EnvironmentFileError as error:
        file = error.where.file if error.where else None
        problems = [
            {"file": file, "key": key, "message": message, "hint": hint}
            for key, message, hint in error.problems
        ]
        if json:
            emit_json("policy-check", {"ok": False, "environments": 0, "files": [file], "problems": problems})
        else:
            lines = [f"{row['file']}: {row['message']}" + _hint(row["hint"]) for row in problems]
            emit_text("\n".join(lines))
        return Exit.INVALID
    if json:
        fields = {"ok": True, "environments": len(found.found), "files": found.files, "problems": []}
        emit_json("policy-check", fields)
    else:
        where = ", ".join(found.files) or "no file: the built-in dev"
        emit_text(f"ok: {len(found.found)} environments ({where})")
    return Exit.OK


def _hint(hint: str | None) -> str:
    return f"\n    do: {hint}" if hint else ""


@app.command("backtest")
def backtest(
    policy: Annotated[
        Path, typer.Option("--policy", metavar="NEW", help="The other byteor.toml.", show_default=False)
    ],
    history: Annotated[
        Path | None,
        typer.Option(
            "--history",
            metavar="FILE",
            help="Past decisions, one JSON object a line.",
            show_default="this host's audit log",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Decide past decisions again under another byteor.toml; list what flips. Exit 1 when anything does."""
    from byteor.acts.history import past_decisions
    from byteor.cli.governed import environments, moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.governance.backtest import backtest as decide_again

    found = {one.name: one for one in environments(policy, moment()).found}
    result = decide_again(_history(history) if history is not None else past_decisions(), found.get)
    if json:
        import msgspec

        fields = {"decided": result.decided, "flipped": len(result.flips)}
        emit_json("policy-backtest", {**fields, "flips": msgspec.to_builtins(result.flips)})
    else:
        lines = [
            f"{flip.seq:>10} {flip.environment:<16} {flip.capability or '-':<40}"
            f" {flip.was} ({flip.was_rule}) -> {flip.becomes} ({flip.becomes_rule})"
            for flip in result.flips
        ]
        emit_text("\n".join([*lines, f"{result.decided} decisions, {len(result.flips)} flip"]))
    return Exit.CHECK_FAILED if result.flips else Exit.OK


def _history(path: Path) -> Any:
    import msgspec

    from byteor.errors import ByteorError, Exit, Where
    from byteor.governance.backtest import PastDecision

    decoder = msgspec.json.Decoder(PastDecision)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except (ValueError, RecursionError) as error:
                raise ByteorError(
                    "E_HISTORY",
                    f"no decision: {error}",
                    hint="docs/formats.md says what a line holds",
                    where=Where(str(path), number),
                    exit=Exit.INVALID,
                ) from None
