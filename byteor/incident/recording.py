"""Reading a capture: where it lies, whose it is, and its frames, also while the run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.incident.capture import CAPTURE_JSON, JOURNAL, NOTES, SPEC_KV, CaptureFacts
from byteor.incident.errors import IncidentError
from byteor.incident.frames import Frame, read_frame
from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_disk import DiskJournalReader, segments
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.record import read_records, record_bytes

READ_RECORDS = 64

Placed = tuple[int, Frame]  # position in the journal, and the frame


class Recording(msgspec.Struct, frozen=True):
    """A capture that can be read, wherever it lies. ``read`` gives its frames anew at each call."""

    place: str
    facts: CaptureFacts
    spec: bytes
    read: Callable[[], Iterator[Placed]]


def capture_root(state: Path) -> Path:
    """Where the captures of this user lie: ``capture`` in the state folder."""
    return state / "capture"


def open_capture(folder: Path) -> Recording:
    """The capture in ``folder``. Raises ``E_CAPTURE_MISSING`` (exit 7)."""
    try:
        facts = read_facts((folder / CAPTURE_JSON).read_bytes())
        spec = (folder / SPEC_KV).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise missing(str(folder)) from None
    return Recording(str(folder), facts, spec, lambda: _all_frames(folder))


def _all_frames(folder: Path) -> Iterator[Placed]:
    """Those of the journal, then the notes that it had no room for."""
    position = 0
    for position, frame in frames(folder / JOURNAL):
        yield position, frame
    try:
        data = (folder / NOTES).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        yield position, read_frame(data[at + 4 : end])
        at = end


def read_facts(data: bytes) -> CaptureFacts:
    """``capture.json`` in ``data``. Raises ``E_CAPTURE_FRAME``."""
    try:
        return msgspec.json.decode(data, type=CaptureFacts)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise IncidentError("E_CAPTURE_FRAME", f"capture.json is damaged: {error}") from None


def missing(what: str) -> IncidentError:
    return IncidentError(
        "E_CAPTURE_MISSING",
        f"there is no capture of {what}",
        hint="byteor journal ls lists them; a run with --capture off leaves none",
        exit=Exit.NOT_FOUND,
    )


def captures(root: Path) -> list[tuple[Path, CaptureFacts]]:
    """Every readable capture under ``root``, newest first."""
    found: list[tuple[Path, CaptureFacts]] = []
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            found.append((folder, open_capture(folder).facts))
        except (IncidentError, OSError):
            continue  # one that is damaged must not hide the others
    return sorted(found, key=lambda item: item[1].started_unix_ns, reverse=True)


def find_capture(which: str | None, root: Path) -> Recording:
    """The capture of the run ``which``: an id, a name (its newest), a folder's path, None for the newest.

    Raises ``E_CAPTURE_MISSING``.
    """
    if which is not None and os.sep in which:
        return open_capture(Path(which))
    for folder, facts in captures(root):
        if which in (None, facts.run_id, facts.name):
            return open_capture(folder)
    raise missing(f"the run {which!r}" if which else "any run")


def frames(journal: Path, position: int | None = None) -> Iterator[Placed]:
    """(position, frame) of every record in ``journal`` from ``position``, up to what is written now.

    Segments that retention takes away meanwhile are stepped over. Raises ``E_CORRUPT`` for a record that
    fails its checksum; a torn tail ends the reading without a word.
    """
    try:
        reader = DiskJournalReader(journal, position)
    except IndexBusError as error:
        if error.code != "E_REGION_MISSING":
            raise _damaged(error) from None
        return
    with reader:
        while True:
            try:
                records = reader.read(READ_RECORDS)
            except IndexBusError as error:
                if error.code != "E_OVERRUN":
                    raise _damaged(error) from None
                continue
            if not records:
                return
            for at, record in records:
                yield at, read_frame(record)


def _damaged(error: IndexBusError) -> IndexBusError:
    """What an operator does about a record that fails its checksum, in a capture."""
    if error.code == "E_CORRUPT":
        error.hint = "byteor journal slice --sound -o FOLDER keeps what lies before it"
    return error


def sound_part(recording: Recording) -> Recording:
    """``recording`` up to the first record that is damaged."""

    def read() -> Iterator[Placed]:
        try:
            yield from recording.read()
        except ByteorError as error:
            if error.code not in ("E_CORRUPT", "E_CAPTURE_FRAME"):
                raise

    return msgspec.structs.replace(recording, read=read)


def frames_of_segments(contents: Sequence[bytes]) -> Iterator[Placed]:
    """(position, frame) of segments held in memory, in order, as those of a bundle.

    Raises ``E_CORRUPT``, ``E_CAPTURE_FRAME``.
    """
    for data in contents:
        if len(data) < abi.SEGMENT.size:
            raise IncidentError("E_CAPTURE_FRAME", "a journal segment is shorter than its header")
        head = abi.SEGMENT.unpack(data[: abi.SEGMENT.size])
        if (head["magic"], head["version"], head["size"]) != (abi.SEGMENT_MAGIC, 1, len(data)):
            raise IncidentError("E_CAPTURE_FRAME", "a journal member is no segment")
        at, start = abi.SEGMENT.size, int(head["position"]) - abi.SEGMENT.size
        while at < len(data):
            records, size = read_records(data, at, start + at, READ_RECORDS)
            yield from ((place, read_frame(record)) for place, record in records)
            if not size:
                break
            at += size


def pack_segment(position: int, epoch: int, records: Sequence[bytes]) -> bytes:
    """A segment that holds exactly ``records``, the first at ``position``."""
    size = abi.SEGMENT.size + sum(record_bytes(len(record)) for record in records)
    data = bytearray(size)
    data[: abi.SEGMENT.size] = abi.SEGMENT.pack(
        {"magic": abi.SEGMENT_MAGIC, "version": 1, "position": position, "size": size, "epoch": epoch}
    )
    at, write = abi.SEGMENT.size, kernel().record_write
    for record in records:
        write(data, at, record)
        at += record_bytes(len(record))
    return bytes(data)


def capture_bytes(folder: Path) -> int:
    """What the journal of the capture in ``folder`` takes on the disk."""
    return sum(path.stat().st_size for _, path in segments(folder / JOURNAL))


def prune(root: Path, max_bytes: int, max_age_s: float, now: float, keep: frozenset[str]) -> list[str]:
    """Remove whole captures, oldest first, until the others fit ``max_bytes`` and none is older.

    ``keep`` are run ids that stay: of live runs and of open incidents. The ids of what went.
    """
    found = [(folder, facts, capture_bytes(folder)) for folder, facts in captures(root)]
    room = sum(size for _, _, size in found)
    gone = []
    for folder, facts, size in reversed(found):
        old = now - facts.started_unix_ns / 1e9 > max_age_s
        if facts.run_id in keep or not (old or room > max_bytes):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        room -= size
        gone.append(facts.run_id)
    return gone
