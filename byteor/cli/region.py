"""``byteor region``: look at lanes in shared memory, read-only, also those of a hung or dead run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.indexbus.inspect import Inspection

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Regions: lanes in shared memory, read-only."
)

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", show_default=False, help="A region file.")]


@app.command("ls")
def ls(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", show_default=False, help="Default: your folders in /dev/shm."),
    ] = None,
    json: Json = False,
) -> None:
    """List the regions below a folder: kind, size, cursor, who is alive."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.indexbus.inspect import find_regions

    found = find_regions(folder)
    if json:
        emit_json("region-ls", {"regions": [{"path": str(path), **_short(one)} for path, one in found]})
        return
    lines = [f"{'KIND':<16} {'CAPACITY':>9} {'SLOT':>6} {'CURSOR':>14} {'ALIVE':>6} {'DEAD':>5}  PATH"]
    for path, one in found:
        alive, dead = (sum(peer.state == state for peer in one.peers) for state in ("alive", "dead"))
        cursor = "-" if one.cursor is None else str(one.cursor)
        lines.append(
            f"{one.kind:<16} {one.capacity:>9} {one.slot_bytes:>6} {cursor:>14} {alive:>6} {dead:>5}  {path}"
        )
    emit_text("\n".join(lines) if found else "no regions")


@app.command("inspect")
def inspect(path: PathArgument, json: Json = False) -> None:
    """Show header, geometry, cursors, lag, and who is alive."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.indexbus.inspect import inspect_region

    one = inspect_region(path)
    if json:
        emit_json("region-inspect", {"ok": True, "path": str(path), **_fields(one)})
    else:
        emit_text(_text(path, one))


@app.command("dump")
def dump(
    path: PathArgument,
    first: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="SEQUENCE", show_default=False, help="Default: the oldest in the ring."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many slots.")] = 16,
    decode: Annotated[
        str, typer.Option("--decode", metavar="hex|text|json", help="How to show payloads.")
    ] = "hex",
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", min=0, help="Of a router: which consumer's queue.")
    ] = 0,
    json: Json = False,
) -> None:
    """Show slots: sequence, flags, ingress, origin, payload. What is shown may be overwritten meanwhile."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.indexbus.errors import IndexBusError
    from byteor.indexbus.inspect import slots_of

    if decode not in ("hex", "text", "json"):
        raise IndexBusError("E_VALUE", f"--decode {decode}: there are hex, text and json")
    slots = slots_of(path, first, count, queue)
    if json:
        rows = [
            {
                "sequence": slot.sequence,
                "length": slot.length,
                "flags": _flags(slot.flags),
                "ingress": slot.ingress,
                "origin": slot.origin,
                "payload_hex": slot.payload.hex(),
            }
            for slot in slots
        ]
        emit_json("region-dump", {"path": str(path), "slots": rows})
        return
    emit_text("\n\n".join(_slot_text(slot, decode) for slot in slots) if slots else "no message yet")


@app.command("watch")
def watch(
    path: PathArgument,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", min=0.05)] = 1.0,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many lines; 0: until stopped.")] = 0,
    json: Json = False,
) -> None:
    """Print a line at each interval: cursor, rate, lag; as NDJSON with --json. Ends with the stream."""
    import itertools
    import time

    from byteor.cli.output import emit_json, emit_text
    from byteor.indexbus.inspect import inspect_region

    before: tuple[float, int] | None = None
    for number in itertools.count(1):
        one, now = inspect_region(path), time.monotonic()
        cursor = one.cursor or 0
        rate = (cursor - before[1]) / (now - before[0]) if before else 0.0
        before = now, cursor
        if json:
            row = {"cursor": one.cursor, "rate_per_s": round(rate), "lag": one.lag, "state": one.state}
            emit_json("region-watch", row)
        else:
            lag = " ".join(f"{name}={behind}" for name, behind in one.lag.items())
            emit_text(f"cursor {cursor}  {rate:,.0f}/s  {one.state or ''}  lag {lag or '-'}")
        if number == count or (one.state in ("closed", "aborted") and not any(one.lag.values())):
            return
        time.sleep(interval)


def _short(one: Inspection) -> dict[str, Any]:
    fields = _fields(one)
    return {name: fields[name] for name in ("kind", "capacity", "slot_bytes", "cursor", "state", "peers")}


def _fields(one: Inspection) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(one)
    return fields


def _flags(flags: int) -> list[str]:
    names = ((1, "filtered"), (2, "aborted"), (4, "stamped"), (8, "watermark"))
    return [name for bit, name in names if flags & bit]


def _text(path: Path, one: Inspection) -> str:
    lines = [
        f"{path}",
        f"  kind          {one.kind}, version {one.version}",
        f"  capabilities  {', '.join(one.capabilities)}",
        f"  layout        {one.layout_bytes} bytes, initialized {one.initialized}",
        f"  creator       pid {one.owner_pid}",
        f"  geometry      {one.capacity} of {one.slot_bytes} bytes, stride {one.slot_stride}",
        f"  lanes         {one.lanes}",
        f"  epoch         {one.epoch:016x}",
        f"  spec hash     {one.spec_hash_prefix or '-'}",
    ]
    if one.state is not None:
        lines.append(f"  state         {one.state}")
    if one.cursor is not None:
        lines.append(f"  cursor        {one.cursor}")
    lines += [f"  {name:<13} {at} (lag {one.lag[name]})" for name, at in one.positions.items()]
    for peer in one.peers:
        who = "" if peer.state == "absent" else f", pid {peer.pid}"
        lines.append(f"  {peer.name:<13} {peer.state}{who}")
    return "\n".join(lines)


def _slot_text(slot: Any, decode: str) -> str:
    flags = ",".join(_flags(slot.flags)) or "-"
    head = (
        f"#{slot.sequence}  {slot.length} bytes  flags {flags}  ingress {slot.ingress}  origin {slot.origin}"
    )
    return f"{head}\n{_payload_text(slot.payload, decode)}"


def _payload_text(payload: bytes, decode: str) -> str:
    import msgspec

    if decode == "json":
        try:
            return msgspec.json.format(payload, indent=2).decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"(no JSON) {payload!r}"
    if decode == "text":
        # A terminal must not obey what a message holds.
        return "".join(c if c.isprintable() else "·" for c in payload.decode("utf-8", "replace"))
    lines = []
    for at in range(0, len(payload), 16):
        part = payload[at : at + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        lines.append(f"  {at:06x}  {part.hex(' '):<47}  {shown}")
    return "\n".join(lines)
