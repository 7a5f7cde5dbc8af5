"""``byteor journal``: what runs recorded: list it, read it, count it, check it, cut a part out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json, usage_error

if TYPE_CHECKING:
    from byteor.incident.recording import Recording
    from byteor.incident.select import Record, Selection

FOLLOW_PERIOD_S = 0.1

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What runs recorded of their messages.")

Which = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="Id, name, bundle or folder; the newest when absent.", show_default=False
    ),
]
First = Annotated[
    int | None, typer.Option("--from", metavar="N", min=0, help="Messages from N on.", show_default=False)
]
Last = Annotated[
    int | None, typer.Option("--to", metavar="M", min=0, help="Messages up to M.", show_default=False)
]
Newest = Annotated[
    int | None, typer.Option("--last", metavar="N", min=1, help="The newest N inputs.", show_default=False)
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Not before this (RFC 3339, Z).", show_default=False),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Not after this (RFC 3339, Z).", show_default=False),
]
MinBytes = Annotated[int | None, typer.Option(metavar="N", min=0, help="No shorter.", show_default=False)]
MaxBytes = Annotated[int | None, typer.Option(metavar="N", min=0, help="No longer.", show_default=False)]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="/FIELD=VALUE", help="JSON with this value at this pointer; repeatable."),
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="in|out", help="Only what came in, or left.", show_default=False),
]


@app.command("ls")
def ls(json: Json = False) -> None:
    """List the captures of this user, newest first."""
    from byteor.acts.captures import captures_folder
    from byteor.cli.output import emit_json, emit_text, rfc3339
    from byteor.incident.recording import capture_bytes, captures

    found = [
        {
            "run_id": facts.run_id,
            "name": facts.name,
            "spec_hash": facts.spec_hash,
            "env": facts.env,
            "started_at": rfc3339(facts.started_unix_ns),
            "egress": facts.egress,
            "bytes": capture_bytes(folder),
            "path": str(folder),
        }
        for folder, facts in captures(captures_folder())
    ]
    if json:
        emit_json("journal-ls", {"captures": found})
        return
    for one in found:
        emit_text(f"{one['started_at']}  {one['run_id']}  {one['bytes']:>14,} bytes  {one['name']}")


@app.command("cat")
def cat(
    run: Which = None,
    first: First = None,
    last: Last = None,
    newest: Newest = None,
    since: Since = None,
    until: Until = None,
    min_bytes: MinBytes = None,
    max_bytes: MaxBytes = None,
    where: Where = None,
    only: Only = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    json: Json = False,
) -> None:
    """Print recorded messages, oldest first; with --json one JSON line each."""
    from byteor.acts.captures import recording_of
    from byteor.cli.output import emit_json, emit_text

    selection = _selection(first, last, since, until, min_bytes, max_bytes, where, only)
    with recording_of(run) as (recording, bundle):
        if newest is not None:
            selection = _newest(recording, selection, newest)
        found = _following(recording, selection) if follow and bundle is None else _all(recording, selection)
        for record in found:
            if json:
                emit_json("journal-record", _fields(record))
            else:
                emit_text(_line(record))


@app.command("stat")
def stat(run: Which = None, json: Json = False) -> None:
    """Count what was recorded: messages, bytes, range, time, loss."""
    from byteor.acts.captures import recording_of
    from byteor.cli.output import emit_json, emit_text, rfc3339
    from byteor.incident.replay.inputs import extent

    with recording_of(run) as (recording, _):
        found, facts = extent(recording), recording.facts
    document: dict[str, Any] = {
        "run_id": facts.run_id,
        "name": facts.name,
        "spec_hash": facts.spec_hash,
        "inputs": found.inputs,
        "input_bytes": found.input_bytes,
        "first": found.first,
        "last": found.last,
        "outputs": found.outputs,
        "output_digests": found.digests,
        "finished": found.state == "finished",
        "lost": found.lost,
        "since": None if found.since_ns is None else rfc3339(found.since_ns),
        "until": None if found.until_ns is None else rfc3339(found.until_ns),
        "path": recording.place,
    }
    if json:
        emit_json("journal-stat", document)
        return
    for name, value in document.items():
        emit_text(f"{name:14} {value:,}" if isinstance(value, int) and value > 1 else f"{name:14} {value}")


@app.command("verify")
def verify(run: Which = None, json: Json = False) -> None:
    """Read every record with its checksum. Exit 0 sound, 9 damaged."""
    from byteor.acts.captures import recording_of
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import ByteorError, Exit

    records, last, problem = 0, None, None
    with recording_of(run) as (recording, _):
        try:
            for position, _ in recording.read():
                records, last = records + 1, position
        except ByteorError as error:
            problem = error
    document = {
        "ok": problem is None,
        "code": None if problem is None else problem.code,
        "detail": "" if problem is None else problem.message,
        "records": records,
        "last_position": last,
        "path": recording.place,
    }
    if json:
        emit_json("journal-verify", document)
    elif problem is None:
        emit_text(f"sound: {records:,} records")
    else:
        emit_text(f"{problem.code}: {problem.message}; {records:,} records before it can be read")
    raise typer.Exit(Exit.OK if problem is None else Exit.INTEGRITY)


@app.command("slice")
def cut(
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the part.")],
    run: Which = None,
    first: First = None,
    last: Last = None,
    newest: Newest = None,
    sound: Annotated[
        bool, typer.Option("--sound", help="Of a damaged capture, take what lies before the damage.")
    ] = False,
    json: Json = False,
) -> None:
    """Write some inputs and their outputs as a capture of its own, which every verb takes by its path."""
    from byteor.acts.captures import recording_of
    from byteor.cli.output import emit_json, emit_text
    from byteor.incident.recording import sound_part
    from byteor.incident.replay.inputs import Range, extent, resolved_range
    from byteor.incident.slice import write_slice

    with recording_of(run) as (recording, _):
        recording = sound_part(recording) if sound else recording
        wanted = resolved_range(Range(first=first, last=last, newest=newest), extent(recording))
        write_slice(recording, wanted, out)
    document = {"path": str(out.resolve()), "first": wanted.first, "last": wanted.last}
    if json:
        emit_json("journal-slice", document)
    else:
        emit_text(f"{document['path']}: messages {wanted.first} to {wanted.last}")


def _selection(
    first: int | None,
    last: int | None,
    since: str | None,
    until: str | None,
    min_bytes: int | None,
    max_bytes: int | None,
    where: list[str] | None,
    only: str | None,
) -> Selection:
    from byteor.incident.select import Selection, parse_where

    if only not in (None, "in", "out"):
        raise usage_error(f"--only {only} is neither in nor out", "--only in, or --only out")
    return Selection(
        first=first,
        last=last,
        since_ns=_unix_ns(since),
        until_ns=_unix_ns(until),
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        where=tuple(parse_where(text) for text in where or ()),
        direction=only,
    )


def _unix_ns(text: str | None) -> int | None:
    """RFC 3339 with ``Z`` and up to nine digits behind the second, in ns since 1970. Raises ``E_USAGE``."""
    from byteor.governance.canonical import unix_of

    if text is None:
        return None
    whole, _, rest = text.removesuffix("Z").partition(".")
    try:
        if rest and not (rest.isascii() and rest.isdigit() and len(rest) <= 9):
            raise ValueError("no fraction of a second")
        return unix_of(f"{whole}Z") * 1_000_000_000 + int(rest.ljust(9, "0") or "0")
    except ValueError as error:
        raise usage_error(f"{text} is {error}", "write 2027-01-15T08:00:00.5Z") from None


def _newest(recording: Recording, selection: Selection, newest: int) -> Selection:
    import msgspec

    from byteor.incident.replay.inputs import extent

    last = extent(recording).last
    floor = 0 if last is None else max(0, last - newest + 1)
    return msgspec.structs.replace(selection, first=max(floor, selection.first or 0))


def _all(recording: Recording, selection: Selection) -> Iterator[Record]:
    from byteor.incident.select import selected

    return selected((frame for _, frame in recording.read()), selection)


def _following(recording: Recording, selection: Selection) -> Iterator[Record]:
    """What is there, then what comes, until somebody interrupts."""
    import time

    from byteor.incident.capture import JOURNAL
    from byteor.incident.recording import frames
    from byteor.incident.select import selected

    journal = Path(recording.place) / JOURNAL
    seen: int | None = None
    while True:
        for position, frame in frames(journal, seen):
            if position != seen:  # the one that is known by its place is read again
                seen = position
                yield from selected([frame], selection)
        time.sleep(FOLLOW_PERIOD_S)


def _fields(record: Record) -> dict[str, Any]:
    import base64

    from byteor.cli.output import rfc3339

    fields: dict[str, Any] = {
        "direction": record.direction,
        "sequence": record.origin,
        "at": rfc3339(record.at_ns),
        "at_unix_ns": record.at_ns,
        "ingress": record.ingress,
        "endpoint": record.endpoint,
        "shard": record.shard,
        "bytes": record.length,
    }
    if record.digest:
        return {**fields, "sha256": record.payload.hex()}
    try:
        return {**fields, "payload": record.payload.decode()}
    except UnicodeDecodeError:
        return {**fields, "payload_base64": base64.b64encode(record.payload).decode()}


def _line(record: Record) -> str:
    from byteor.cli.output import rfc3339, shown_text

    payload = (
        f"sha256:{record.payload.hex()}"
        if record.digest
        else shown_text(record.payload.decode("utf-8", "backslashreplace"))
    )
    return (
        f"{record.origin:>10}  {rfc3339(record.at_ns)}  {record.direction:3} {record.endpoint}"
        f"  {record.length:>7} B  {payload}"
    )
