"""The writer of a run's capture: every batch that came in and went out, durable, within its room.

``$BYTEOR_STATE_DIR/capture/<run id>/`` 0700
    capture.json    whose capture this is: run, spec, stages with their kind and code, what was recorded
    spec.kv         the canonical spec that ran
    notes           frames of notes that the journal had no room for any more, if there are such
    journal/        segments of ``byteor.indexbus.journal_disk``; records are those of ``frames``

A record is committed before its batch is published, so that whatever a stage saw can be replayed. A crash of
the process loses nothing that was committed; a crash of the machine at most the last 50 ms.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.errors import Exit
from byteor.incident.errors import IncidentError
from byteor.incident.frames import Batch, Payload, egress_parts, ingress_head, note_frame
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_disk import DiskJournalWriter, segments
from byteor.runtime.decided import Choices

CAPTURE_JSON, SPEC_KV, JOURNAL, NOTES = "capture.json", "spec.kv", "journal", "notes"
FRAME_BYTES = 1 << 20  # a batch of more is recorded in several frames
LONGEST = 1 << 32
RUNS_A_NOTE = 1 << 16
RETAIN_S = 0.5
AGE_S = 10.0
RETRY_S = 1.0  # after a full disk, best-effort capture looks again

Mode = Literal["on", "off", "best-effort"]
EgressMode = Literal["payload", "digest"]
Ask = Callable[[], Sequence[int] | None]


class CapturedStage(msgspec.Struct, frozen=True):
    """One stage as it ran. ``digest``: distribution, version, module and its SHA-256."""

    name: str
    key: str
    kind: str
    digest: dict[str, str]


class CaptureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``capture.json``."""

    v: int = 1
    run_id: str
    name: str
    pipeline: str
    model: str
    spec_hash: str
    env: str
    started_unix_ns: int
    source: str
    sink: str
    egress: EgressMode
    seed: int
    kernel: str
    package_version: str
    stages: tuple[CapturedStage, ...]
    stage_modules: tuple[str, ...] = ()


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be set. ``max_bytes`` and ``max_age_s`` bound the journal; the oldest whole segment goes."""

    mode: Mode = "on"
    egress: EgressMode = "payload"
    max_bytes: int = 1 << 30
    max_age_s: float = 86_400.0
    segment_bytes: int = 1 << 26
    first_segment_bytes: int = 1 << 22  # most runs are short, and a segment is allocated whole


class Capture:
    """A run's tap that records. Any worker may call it; one at a time writes.

    With mode ``on`` a disk that is full stops the run (``E_CAPTURE_SPACE``); with ``best-effort`` what could
    not be recorded is counted in ``lost`` and noted in the journal.
    """

    def __init__(
        self, folder: Path, facts: CaptureFacts, spec: bytes, settings: CaptureSettings | None = None
    ) -> None:
        """Begin the capture in the new folder ``folder``. Raises ``E_CAPTURE_SPACE``."""
        self.folder = folder
        self.lost = 0
        self._settings = settings or CaptureSettings()
        self._digests = self._settings.egress == "digest"
        self._stops = self._settings.mode != "best-effort"
        self._lock = threading.Lock()
        self._choices = Choices()
        self._turns: dict[tuple[int, int], list[int]] = {}  # by worker and end
        self._asked: dict[tuple[int, int], Ask] = {}
        self._undecided: set[int] = set()
        self._decided_lock = threading.Lock()
        self._writing_decided = threading.Lock()
        self._retry_at = 0.0
        self._unnoted = 0
        self._without_room: list[object] = []  # notes of the end
        private_folder(folder)
        write_file(folder / SPEC_KV, spec)
        write_file(folder / CAPTURE_JSON, msgspec.json.format(msgspec.json.encode(facts)))
        try:
            self._journal = self._open(self._settings.first_segment_bytes)
        except IndexBusError as error:
            raise _no_space(error) from None
        self._grown = False
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="capture", daemon=True)
        self._keeper.start()

    def ingress(
        self, ingress: int, shard: int, first_origin: int, arrival_ns: int, messages: Sequence[bytes]
    ) -> None:
        """Record a batch that came in, before anybody sees it."""
        count = len(messages)
        head = ingress_head(ingress, shard, first_origin, arrival_ns, count)
        if not count or self._append(head, messages, count, table=True, most=FRAME_BYTES):
            return
        for start, end in _portions(messages):
            head = ingress_head(ingress, shard, first_origin + start, arrival_ns, end - start)
            self._append(head, messages[start:end], end - start, table=True)

    def egress(self, egress: int, origins: bytes, ingresses: bytes, lengths: bytes, payload: bytes) -> None:
        """Record a batch that the sink took."""
        batch, now = Batch(origins, ingresses, lengths, payload), time.time_ns()
        portions = [(0, batch.size)] if len(payload) <= FRAME_BYTES else _portions(batch.messages())
        for start, end in portions:
            part = batch if end - start == batch.size else batch.part(start, end)
            if end > start:
                head, *parts = egress_parts(egress, part, now, digests=self._digests)
                self._append(head, parts, end - start)

    def choices(self, worker: int, index: int, count: int) -> None:
        """Remember what a merge or a work queue chose; it is written beside the workers, at the latest after
        half a second, and before the note that says how the run ended."""
        self._choices.add(worker, index, count)

    def turns(self, worker: int, end: int, turns: Sequence[int]) -> None:
        """Remember what a producer of a shared lane, or of one that loses what it has no room for, did."""
        with self._decided_lock:
            self._turns.setdefault((worker, end), []).extend(turns)

    def ask(self, worker: int, end: int, turns: Ask) -> None:
        """As ``turns``, of one that is asked."""
        self.turns(worker, end, ())
        self._asked[worker, end] = turns

    def undecided(self, worker: int) -> None:
        """What ``worker`` chose will never be whole."""
        with self._decided_lock:
            self._undecided.add(worker)

    def note(self, facts: object) -> None:
        """Record what is no message, such as the seed of a stage or a drop."""
        self._write_decided()
        self._append(note_frame(time.time_ns(), facts), (), 0)
        if self._unnoted:
            self._without_room.append(facts)

    def _write_decided(self) -> None:
        with self._writing_decided:  # of two at once, the later part could come to stand before the earlier
            self._write_decided_in_turn()

    def _write_decided_in_turn(self) -> None:
        for (worker, end), ask in list(self._asked.items()):
            if (turns := ask()) is None:
                self.undecided(worker)
            else:
                self.turns(worker, end, turns)
        with self._decided_lock:
            turned, self._turns = self._turns, {}
            undecided, self._undecided = self._undecided, set()
        for worker, runs in self._choices.take().items():
            self._write_runs({"choices": worker}, runs)
        for (worker, end), runs in turned.items():
            self._write_runs({"turns": worker, "end": end}, runs)
        for worker in undecided:
            self._append(note_frame(time.time_ns(), {"undecided": worker}), (), 0)

    def _write_runs(self, facts: dict[str, object], runs: list[int]) -> None:
        for at in range(0, max(1, len(runs)), RUNS_A_NOTE):
            note = note_frame(time.time_ns(), {**facts, "runs": runs[at : at + RUNS_A_NOTE]})
            self._append(note, (), 0)

    def close(self) -> None:
        """Everything is on the disk when this returns. Closing twice is fine."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._keeper.join()
        with self._lock:
            self._journal.close()
        if self._unnoted:
            notes = [
                note_frame(time.time_ns(), one) for one in ({"lost": self._unnoted}, *self._without_room)
            ]
            with contextlib.suppress(OSError):  # not even for that: the absence of an end tells
                write_file(
                    self.folder / NOTES, b"".join(len(one).to_bytes(4, "little") + one for one in notes)
                )

    def _open(self, segment_bytes: int) -> DiskJournalWriter:
        return DiskJournalWriter(self.folder / JOURNAL, segment_bytes=segment_bytes)

    def _append(
        self,
        head: bytes,
        parts: Sequence[Payload],
        messages: int,
        *,
        table: bool = False,
        most: int = LONGEST,
    ) -> bool:
        """False when the record would be longer than ``most``. Else it was recorded, or its loss was."""
        with self._lock:
            if self._retry_at and time.monotonic() < self._retry_at:
                self._lose(messages)
                return True
            try:
                if self._unnoted:
                    self._journal.append(note_frame(time.time_ns(), {"lost": self._unnoted}))
                    self._unnoted = 0
                if self._journal.append_joined(head, parts, table=table, most=most) < 0:
                    if most < LONGEST:
                        return False
                    raise IndexBusError("E_OVERSIZE", "a message is longer than a segment of the journal")
                self._retry_at = 0.0
                if not self._grown and self._journal.position > self._settings.first_segment_bytes >> 1:
                    self._journal.close()
                    self._journal = self._open(self._settings.segment_bytes)  # goes on in the same segment
                    self._grown = True
            except IndexBusError as error:
                if error.code != "E_SHM_SPACE" or self._stops:
                    raise _no_space(error) from None
                self._retry_at = time.monotonic() + RETRY_S
                self._lose(messages)
        return True

    def _lose(self, messages: int) -> None:
        self.lost += messages
        self._unnoted += messages

    def _keep(self) -> None:
        """Keep to the room, beside the workers; of what does not grow only the age needs a look."""
        looked_at, looked_s = -1, 0.0
        while not self._closing.wait(RETAIN_S):
            with contextlib.suppress(IncidentError):  # the next batch says so, to a worker
                self._write_decided()
            at, now_s = self._journal.position, time.monotonic()
            if at == looked_at and now_s - looked_s < AGE_S:
                continue
            with contextlib.suppress(OSError):  # looked at again a moment later
                self._retain()
                looked_at, looked_s = at, now_s

    def _retain(self) -> None:
        found = [(start, path.stat()) for start, path in segments(self.folder / JOURNAL)]
        held = [(start, status.st_size, status.st_mtime) for start, status in found]
        drop_before = retained_from(held, self._settings, time.time())
        if drop_before is not None:
            self._journal.drop_before(drop_before)


def retained_from(
    held: Sequence[tuple[int, int, float]], settings: CaptureSettings, now: float
) -> int | None:
    """The position before which whole segments go, or None.

    ``held``: (position, bytes, written at) in order. The newest segment always stays.
    """
    room = sum(size for _, size, _ in held)
    first = cut = held[0][0] if held else 0
    for (_, size, written), (following, _, _) in pairwise(held):
        if room <= settings.max_bytes and now - written <= settings.max_age_s:
            break
        room -= size
        cut = following
    return cut if cut > first else None


def _portions(messages: Sequence[Payload]) -> list[tuple[int, int]]:
    """(start, end) of runs of ``messages`` whose payloads take no more than ``FRAME_BYTES`` together."""
    total = sum(map(len, messages))
    if total <= FRAME_BYTES:
        return [(0, len(messages))] if messages else []
    found, start, room = [], 0, 0
    for index, message in enumerate(messages):
        if room + len(message) > FRAME_BYTES and index > start:
            found.append((start, index))
            start, room = index, 0
        room += len(message)
    found.append((start, len(messages)))
    return found


def _no_space(error: IndexBusError) -> IncidentError:
    return IncidentError(
        "E_CAPTURE_SPACE",
        f"the capture cannot go on: {error.message}",
        hint="free space, or run with --capture best-effort (counts what is lost) or --capture off",
        exit=Exit.RUNTIME,
    )
