"""``byteor replay``: captured messages through the spec again, each output compared with the recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.governed import EnvironmentsOption
from byteor.cli.options import Json, usage_error

if TYPE_CHECKING:
    from byteor.acts.replays import ReplayDone

HEX_ROWS = 8


def command(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]",
            help="Bundle, run or incident; the newest capture when absent.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(metavar="MODE", help="dry_run (acts on nothing) or execute.")
    ] = "dry_run",
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment that decides.", show_default=False)
    ] = None,
    first: Annotated[
        int | None, typer.Option("--from", metavar="N", min=0, help="From message N.", show_default=False)
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", metavar="M", min=0, help="Up to message M.", show_default=False)
    ] = None,
    newest: Annotated[
        int | None, typer.Option("--last", metavar="N", min=1, help="The newest N.", show_default=False)
    ] = None,
    rate: Annotated[str, typer.Option(metavar="X|max", help="Messages a second.")] = "max",
    until_divergence: Annotated[
        bool, typer.Option("--until-divergence", help="Stop at the first difference.")
    ] = False,
    stall: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Give up when nothing moves for so long.")
    ] = 30.0,
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Also write replay_trace.json, for the console: each stage on the way."),
    ] = False,
    minimize: Annotated[
        bool,
        typer.Option("--minimize", help="Find the fewest inputs that still differ; write them as a bundle."),
    ] = False,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="NEW", help="Replay against this spec: would it have helped?", show_default=False
        ),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option("--stages", metavar="MODULE", help="A module that defines stages.", show_default=False),
    ] = None,
    given: EnvironmentsOption = None,
    credential: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="An approval for replay_execute; repeatable.", show_default=False),
    ] = None,
    companion: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Its approval.dsse, when not beside it.", show_default=False),
    ] = None,
    approval: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A request whose answers are kept here.", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of a fresh dry run: staging and prod want it.", show_default=False
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="PUBLIC_KEY", help="A host's key that you compared.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="For audit and certificate.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Replay, compare, and write replay_audit.json and a signed certificate. Exit 0 equal, 8 diverged.

    It runs in lanes of its own: no live region is touched, no socket opened and no program started.
    """
    from byteor.acts.replay_policy import Proof
    from byteor.acts.replays import ReplayRequest, minimize_now, replay_now
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.incident.replay.inputs import Range

    if mode not in ("dry_run", "execute"):
        raise usage_error(f"unknown mode {mode!r}", "--mode dry_run, or --mode execute")
    if minimize and mode == "execute":
        raise usage_error("--minimize replays many times, and so acts on nothing", "--mode dry_run")
    request = ReplayRequest(
        which=which,
        mode=mode,
        proof=Proof(
            env=env,
            environments=given,
            credentials=tuple(credential or ()),
            companions=tuple(companion or ()),
            approval=approval,
            certificate=certificate,
        ),
        range=Range(first=first, last=last, newest=newest),
        rate=_rate(rate),
        until_divergence=until_divergence,
        stall_s=stall,
        spec=spec,
        stage_modules=tuple(stages or ()),
        out=out,
        keys=tuple(key or ()),
        trace=trace,
    )
    smallest: dict[str, Any] = {}
    if minimize:
        done, origins, tests, path = minimize_now(request)
        smallest = {"minimal": list(origins), "replays": tests, "minimal_bundle": str(path)}
    else:
        done = replay_now(request)
    if json:
        emit_json("replay", {**document(done), **smallest})
    else:
        emit_text(told(done))
        if smallest:
            emit_text(f"smallest input: {len(smallest['minimal'])} messages, in {smallest['minimal_bundle']}")
    raise typer.Exit(Exit.DIVERGED if done.replayed.diverged else Exit.OK)


def document(done: ReplayDone) -> dict[str, Any]:
    """The fields of ``byteor.replay/v1``."""
    import msgspec

    from byteor.incident.replay.audit import divergence_of

    replayed = done.replayed
    return {
        "mode": done.mode,
        "verdict": "diverged" if replayed.diverged else "equal",
        "run_id": done.run_id,
        "spec_hash": done.spec_hash,
        "inputs": replayed.inputs,
        "counts": msgspec.to_builtins(replayed.counts),
        "first_divergence": divergence_of(replayed.first),
        "differing": list(replayed.differing),
        "failure": msgspec.to_builtins(replayed.failure),
        "ordered": replayed.ordered,
        "from_start": replayed.from_start,
        "lost_in_capture": replayed.extent.lost,
        "duration_ns": replayed.duration_ns,
        "messages_per_s": replayed.inputs / (replayed.duration_ns / 1e9) if replayed.duration_ns else 0.0,
        "acts": msgspec.to_builtins(replayed.acts),
        "audit_path": str(done.audit_path),
        "certificate_path": str(done.certificate_path),
        "audit_seq": done.audit_seq,
    }


def told(done: ReplayDone) -> str:
    """The same for a person: verdict, counts, the first difference with its bytes."""
    replayed = done.replayed
    counts = replayed.counts
    verdict = "diverged" if counts.diverged else "equal"
    lines = [
        f"{verdict}: {replayed.inputs:,} inputs of {done.run_id}, {done.mode}",
        f"  equal {counts.equal:,}  data {counts.data:,}  order {counts.order:,}"
        f"  missing {counts.missing:,}  extra {counts.extra:,}",
    ]
    if counts.beyond:
        lines.append(
            f"  {counts.beyond:,} outputs more, never recorded: the run broke off, or dropped messages"
        )
    if replayed.failure is not None:
        failure = replayed.failure
        lines.append(
            f"  error[{failure.code}]: {failure.stage} fails at {replayed.failed_at}: {failure.error}"
        )
    if not replayed.from_start:
        lines.append("  not from the first message: stages with state may differ for that alone")
    if not replayed.ordered:
        lines.append("  the order of outputs depends on timing here and was not compared")
    if replayed.extent.lost:
        lines.append(f"  {replayed.extent.lost:,} messages were not recorded (best-effort capture)")
    for act in replayed.acts:
        lines.append(
            f"  {act.stage} ({act.key.partition(':')[0]}) {act.decision} for {act.messages:,} messages"
        )
    if replayed.first is not None:
        lines += _difference(done)
    lines.append(f"  audit {done.audit_path}")
    from byteor.cli.output import shown_text

    return "\n".join(shown_text(line) for line in lines)


def _difference(done: ReplayDone) -> list[str]:
    first = done.replayed.first
    assert first is not None
    item = first.difference
    lines = [
        f"first difference: {item.verdict}, output {item.k} of message {item.origin}; look at {first.stage}:"
        f" {first.why}",
        "  last equal output before it: "
        + ("none" if first.last_equal is None else f"of message {first.last_equal}"),
    ]
    expected = "expected SHA-256" if item.digest else "expected"
    for name, data in (("input", first.input), (expected, item.expected), ("actual", item.actual)):
        lines.append(f"  {name}: {'nothing' if data is None else f'{len(data)} bytes'}")
        if data is not None:
            lines += [f"    {row}" for row in hexdump(data)]
            if (value := _json(data)) is not None:
                lines.append(f"    JSON {value[:400]}")
    return lines


def hexdump(data: bytes) -> list[str]:
    """Rows of 16 bytes: offset, hex, and text; at most eight."""
    rows = []
    for at in range(0, min(len(data), 16 * HEX_ROWS), 16):
        part = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append(f"{at:06x}  {part.hex(' '):47}  {text}")
    if len(data) > 16 * HEX_ROWS:
        rows.append(f"... and {len(data) - 16 * HEX_ROWS:,} bytes more")
    return rows


def _json(data: bytes) -> str | None:
    import msgspec

    if data[:1] not in (b"{", b"["):
        return None
    try:
        return msgspec.json.encode(msgspec.json.decode(data)).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _rate(text: str) -> float | None:
    import math

    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise usage_error(f"--rate {text} is no rate", "messages a second, or max")
    return rate
