"""``byteor run``: run a pipeline from a source to a sink until the source ends or somebody stops it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from byteor.cli.governed import (
    ApprovalOption,
    CompanionOption,
    CredentialOption,
    DryEffects,
    EnvChoice,
    EnvironmentsOption,
)
from byteor.cli.options import DryRun, Json, SpecArgument, SpecOption, one_spec

if TYPE_CHECKING:
    from byteor.acts.permit import Permit
    from byteor.acts.run import RunOrder

WAITS = ("spin", "yield", "backoff", "block")


def command(
    spec_argument: SpecArgument = None,
    spec: SpecOption = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]KIND:ARG",
            help="stdin: (default), file:, host:, generate:, tcp:, udp:, unix:, http:, ws:, sqlite:, "
            "journal:; options as in tcp:HOST:PORT?framing=u32 (docs/sources-and-sinks.md).",
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]KIND:ARG",
            help="stdout: (default), file:, null:, tcp:, udp:, unix:, http:, https:, ws:, sqlite:, journal:.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Only one live run may have it; the pipeline's name when absent.")
    ] = None,
    stages: Annotated[
        list[str] | None, typer.Option("--stages", metavar="MODULE", help="A module that defines stages.")
    ] = None,
    run_for: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0, help="Drain and end after this time.")
    ] = None,
    max_messages: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Take N messages from each source, then end.")
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(envvar="BYTEOR_WAIT", help=f"How workers wait: {', '.join(WAITS)}; the profile's."),
    ] = None,
    drain_timeout: Annotated[
        float,
        typer.Option(
            envvar="BYTEOR_DRAIN_TIMEOUT_S",
            metavar="SECONDS",
            min=0,
            help="How long messages in flight may take to finish.",
        ),
    ] = 5.0,
    stage_timeout: Annotated[
        float,
        typer.Option(
            envvar="BYTEOR_STAGE_TIMEOUT_S",
            metavar="SECONDS",
            min=0,
            help="How long a stage may give no sign of life before the run fails by it; 0: for ever.",
        ),
    ] = 60.0,
    stage_memory: Annotated[
        int | None,
        typer.Option(
            envvar="BYTEOR_STAGE_MEMORY_MIB",
            metavar="MIB",
            min=32,
            help="How much memory of its own a stage process may take; a leak fails the run there.",
        ),
    ] = None,
    executor: Annotated[
        Literal["auto", "sp", "mp"],
        typer.Option(help="auto: Python stages in processes; sp: one process; mp: a process for each role."),
    ] = "auto",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of stages that draw random numbers; recorded in any case.")
    ] = None,
    capture: Annotated[
        str,
        typer.Option(
            envvar="BYTEOR_CAPTURE",
            metavar="MODE",
            help="Record what passes, to replay it: on, off, or best-effort (a full disk stops nothing).",
        ),
    ] = "on",
    capture_egress: Annotated[
        str, typer.Option(envvar="BYTEOR_CAPTURE_EGRESS", help="Of outputs record the payload or the digest.")
    ] = "payload",
    dead_letters: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where messages go that no peer takes.")
    ] = None,
    oversize: Annotated[
        str, typer.Option(metavar="stop|dead-letter", help="What a message does that fits no slot.")
    ] = "stop",
    profile: Annotated[
        str,
        typer.Option(
            envvar="BYTEOR_PROFILE", metavar="NAME", help="Tuning: default, low-latency or isolated-core."
        ),
    ] = "default",
    metrics_addr: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Serve Prometheus text; loopback unless a host is named."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the run is up; byteor logs shows what it writes.")
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(
            envvar="BYTEOR_GROUP", metavar="NAME", help="Let this group look at the run, from its consoles."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Drain the live run of this name and go on from where its sources stopped."
        ),
    ] = False,
    env: EnvChoice = None,
    given: EnvironmentsOption = None,
    credential: CredentialOption = None,
    companion: CompanionOption = None,
    approval: ApprovalOption = None,
    dry_effects: DryEffects = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Validate, resolve every stage, create the regions, start the workers, and only then open the source.

    Ctrl-C or SIGTERM closes the source and lets messages in flight finish; a second one stops at once.
    Figures go to stderr at the end; with --json, to stdout (use a file: or null: sink then).
    """
    from byteor.acts.permit import would
    from byteor.acts.question import Question
    from byteor.acts.run import RunOrder, permit_for, planned_workers, ready, run
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, note
    from byteor.cli.run_report import document, exit_code, summary

    if not all(math.isfinite(number) for number in (run_for or 0.0, drain_timeout, stage_timeout)):
        raise usage_error("a time is not a number", "--for and the timeouts take seconds")
    if stage_memory is not None and executor == "sp":
        raise usage_error("--executor=sp has no stage processes to limit", "leave out --stage-memory")
    if wait is not None and wait not in WAITS:
        raise usage_error(f"unknown wait strategy {wait!r}", f"one of {', '.join(WAITS)}")
    to_stdout = (not sink and not replace) or any(text.endswith("stdout:") for text in sink or ())
    if json and to_stdout and not dry_run and not detach:
        raise usage_error(
            "--json and the stdout: sink both want stdout", "add --sink=file:PATH or --sink=null:"
        )
    if oversize not in ("stop", "dead-letter") or (oversize == "dead-letter" and dead_letters is None):
        raise usage_error(
            f"--oversize={oversize} does not work like this",
            "write --oversize=stop, or --oversize=dead-letter --dead-letters=PATH",
        )
    order = RunOrder(
        spec=one_spec(spec_argument, spec),
        sources=tuple(source or ()),
        sinks=tuple(sink or ()),
        name=name,
        stage_modules=tuple(stages or ()),
        run_for_s=run_for,
        max_messages=max_messages,
        wait=wait,
        drain_timeout_s=drain_timeout,
        stage_timeout_s=stage_timeout,
        stage_memory_bytes=(stage_memory or 0) << 20,
        profile=profile,
        metrics_addr=metrics_addr,
        group=group,
        replace=replace,
        executor=executor,
        seed=seed,
        dead_letters=dead_letters,
        capture=capture,
        capture_egress=capture_egress,
        set_aside_oversize=oversize == "dead-letter",
        question=Question(
            env=env,
            environments=given,
            credentials=tuple(credential or ()),
            companions=tuple(companion or ()),
            approval=approval,
            dry_effects=dry_effects,
        ),
    )
    if dry_run:
        found = ready(order)
        policy = would(lambda: permit_for(order, found, note=False))
        fields = {"dry_run": True, "name": found.name, "spec_hash": found.prepared.spec.spec_hash}
        fields["policy"] = policy
        if json:
            emit_json("run", {**fields, "workers": planned_workers(found, order.executor)})
        else:
            note(f"would run {found.name} ({found.prepared.spec.spec_hash})\npolicy: {policy['told']}")
        return
    if detach:
        from byteor.cli.detach_report import start_detached

        start_detached(order, json=json)
        return
    ended = run(order, on_permit=lambda permit: _tell_permit(order, permit, note))
    _tell_kernel(note)
    if json:
        emit_json("run", document(ended))
    else:
        note(summary(ended))
    raise typer.Exit(exit_code(ended))


def _tell_permit(order: RunOrder, permit: Permit, note: Callable[[str], None]) -> None:
    """Somebody who named no environment, for a run that acts on nothing, asked policy nothing."""
    if order.question.env is not None or permit.decision.rule != "no-side-effect":
        note(permit.told())


def _tell_kernel(note: Callable[[str], None]) -> None:
    """Nobody should find out from the figures that the slow kernel was at work."""
    from byteor.indexbus import kernel_name

    if kernel_name() == "pure" and os.environ.get("BYTEOR_KERNEL") != "pure":
        note("note: no native kernel here, the pure-Python twin runs (10 to 100 times slower)")
