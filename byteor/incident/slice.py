"""The part of a recording that goes into a bundle, as journal members of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.incident.bundle.members import CAPTURE
from byteor.incident.capture import CAPTURE_JSON, JOURNAL, SPEC_KV, CaptureFacts
from byteor.incident.frames import EGRESS, INGRESS, NOTE, Frame, pack_frame
from byteor.incident.recording import Recording, pack_segment
from byteor.incident.redact import Redactor
from byteor.incident.replay.inputs import Range, within
from byteor.indexbus.record import record_bytes

SLICE_BYTES = 64 << 20
SEGMENT_BYTES = 16 << 20  # a member of a bundle has 64 MiB at most


def newest_range(recording: Recording, max_bytes: int = SLICE_BYTES) -> Range:
    """The newest inputs that fit ``max_bytes`` together with their outputs."""
    sizes: list[tuple[int, int]] = []
    for _, frame in recording.read():
        if frame.kind != NOTE:
            sizes.append((frame.origins[0], len(frame.body) + 64 + 14 * frame.count))
    room, first = max_bytes, None
    for origin, size in sorted(sizes, reverse=True):
        room -= size
        if room < 0:
            break
        first = origin
    if room < 0 and first is not None:
        first += 1  # the frame that did not fit may begin with the same origin
    return Range(first=first)


def journal_members(recording: Recording, wanted: Range) -> dict[str, bytes]:
    """``journal/...`` members with everything of the inputs in ``wanted``; notes always."""
    members: dict[str, bytes] = {}
    records: list[bytes] = []
    position = size = 0
    for frame in _wanted(recording, wanted):
        record = pack_frame(frame)
        if size + len(record) > SEGMENT_BYTES and records:
            position += _add(members, position, records)
            records, size = [], 0
        records.append(record)
        size += record_bytes(len(record))
    if records:
        _add(members, position, records)
    return members


def capture_member(facts: CaptureFacts, redactor: Redactor) -> dict[str, bytes]:
    """``capture.json`` without what may be secret: the arguments of sources and sinks, paths of modules."""
    shown = msgspec.structs.replace(
        facts,
        source=_endpoints(facts.source, redactor),
        sink=_endpoints(facts.sink, redactor),
        stage_modules=tuple(module.rsplit("/", 1)[-1] for module in facts.stage_modules),
    )
    return {CAPTURE: msgspec.json.format(msgspec.json.encode(shown))}


def _endpoints(text: str, redactor: Redactor) -> str:
    return " ".join(redactor.endpoint(one) for one in text.split(" "))


def _wanted(recording: Recording, wanted: Range) -> Iterator[Frame]:
    for _, frame in recording.read():
        if frame.kind == NOTE:
            yield frame
        elif frame.kind in (INGRESS, EGRESS) and (kept := within(frame, wanted)) is not None:
            yield kept


def _add(members: dict[str, bytes], position: int, records: list[bytes]) -> int:
    data = pack_segment(position, 1, records)
    members[f"journal/{position:020d}.journal"] = data
    return sum(record_bytes(len(record)) for record in records)


def write_slice(recording: Recording, wanted: Range, out: Path) -> None:
    """Write the part as a capture of its own in the new folder ``out``. Raises ``E_EXISTS``, ``OSError``."""
    if out.exists():
        raise ByteorError("E_EXISTS", f"{out} exists", hint="name a new folder", exit=Exit.CONFLICT)
    private_folder(out)
    journal = private_folder(out / JOURNAL)
    for name, data in journal_members(recording, wanted).items():
        write_file(journal / name.rpartition("/")[2], data)
    write_file(out / SPEC_KV, recording.spec)
    write_file(out / CAPTURE_JSON, msgspec.json.format(msgspec.json.encode(recording.facts)))
