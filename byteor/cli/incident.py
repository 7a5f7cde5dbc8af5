"""``byteor incident``: the records of incidents: list, show, note, close, and one timeline of everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import DryRun, Json, usage_error

if TYPE_CHECKING:
    from byteor.incident.record import Incident

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The records of incidents.")

Which = Annotated[
    str | None,
    typer.Argument(
        metavar="[INCIDENT]", help="Its id, or its run's; the newest when absent.", show_default=False
    ),
]
FORMATS = ("text", "json", "html")


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those in this state.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List incidents, oldest first."""
    from byteor.acts.incidents import incidents
    from byteor.cli.output import emit_json, emit_text, rfc3339, shown_text
    from byteor.incident.record import STATES

    if state is not None and state not in STATES:
        raise usage_error(f"unknown state {state!r}", f"one of {', '.join(STATES)}")
    found = [one for one in incidents().values() if state in (None, one.state)]
    if json:
        emit_json("incident-list", {"incidents": [_fields(one) for one in found]})
        return
    for one in found:
        line = f"{one.incident_id}  {one.state:13}  {rfc3339(one.opened_unix_ns)}  {one.title}"
        emit_text(shown_text(line))


@app.command("show")
def show(which: Which = None, json: Json = False) -> None:
    """Tell one incident with its notes, links and moves."""
    from byteor.acts.incidents import find_incident

    _emit(find_incident(which), json)


@app.command("note")
def note(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
    which: Annotated[
        str | None,
        typer.Option("--incident", metavar="ID", help="Which; the newest when absent.", show_default=False),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Also bring it into this state: investigating, explained.",
            show_default=False,
        ),
    ] = None,
    tie: Annotated[
        list[str] | None,
        typer.Option(
            "--link",
            metavar="KIND=VALUE",
            help="Tie it to a run, snapshot, bundle, replay, approval or certificate; repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add a note; with --state also say how far the explanation is. Replays and bundles link themselves."""
    from byteor.acts import incidents
    from byteor.incident.record import LINKS, STATES, check_move

    if not text.strip():
        raise usage_error("the note is empty", "byteor incident note 'the disk was full'")
    if state is not None and state not in STATES[1:3]:
        raise usage_error(f"unknown state {state!r}", "--state investigating, or --state explained")
    links = []
    for kind, _, value in (one.partition("=") for one in tie or ()):
        if kind not in LINKS or not value.strip():
            raise usage_error(f"--link {kind} is none", f"--link KIND=VALUE, of {', '.join(LINKS)}")
        links.append((kind, value))
    if dry_run:  # it is told as it stands
        found = incidents.find_incident(which)
        if state is not None:
            check_move(found, state, text)
    else:
        found = incidents.note(which, text, state=state, links=links)
    _emit(found, json)


@app.command("close")
def close(
    which: Which = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is closed: what explained it.")] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close an incident; the reason stays in the audit log."""
    from byteor.acts import incidents
    from byteor.incident.record import check_move

    found = incidents.find_incident(which)
    check_move(found, "closed", reason)
    _emit(found if dry_run else incidents.note(found.incident_id, reason, state="closed"), json)


@app.command("timeline")
def timeline(
    which: Which = None,
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="text, json or html.")] = "text",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it there.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Everything about an incident on one clock: the run, the log, what was captured, replays, notes."""
    from byteor.acts.timelines import incident_timeline
    from byteor.atomic import write_file
    from byteor.cli.output import emit_json, emit_text, shown_text

    if form not in FORMATS:
        raise usage_error(f"unknown form {form!r}", f"one of {', '.join(FORMATS)}")
    found = incident_timeline(which)
    if json and out is None:
        emit_json("incident-timeline", found.fields())
        return
    text = {"text": found.text, "json": found.json, "html": found.html}["json" if json else form]()
    if out is not None:
        write_file(out, text.encode())
        emit_text(str(out.resolve()))
    elif form == "text":
        emit_text("\n".join(shown_text(line) for line in text.splitlines()))
    else:
        emit_text(text)


def _emit(incident: Incident, json: bool) -> None:
    from byteor.cli.output import emit_json, emit_text, rfc3339, shown_text

    if json:
        emit_json("incident", _fields(incident))
        return
    lines = [
        f"{incident.incident_id}  {incident.state}",
        f"  {incident.title}",
        f"  run {incident.run_id}, opened {rfc3339(incident.opened_unix_ns)} ({incident.cause})",
        *(f"  link  {one.kind}: {one.value}" for one in incident.links),
        *(f"  {one.state}: {one.reason} ({one.actor})" for one in incident.moves),
        *(f"  note  {one.text} ({one.actor}, {rfc3339(one.ts_unix_ns)})" for one in incident.notes),
    ]
    emit_text("\n".join(shown_text(line) for line in lines))


def _fields(incident: Incident) -> dict[str, Any]:
    import msgspec

    from byteor.cli.output import rfc3339

    fields: dict[str, Any] = msgspec.to_builtins(incident)
    for name in ("notes", "links", "moves"):
        for item in fields[name]:
            item["at"] = rfc3339(item.pop("ts_unix_ns"))
    return {**fields, "opened_at": rfc3339(fields.pop("opened_unix_ns"))}
