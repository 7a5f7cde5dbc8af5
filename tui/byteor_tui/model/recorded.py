"""What a replay went through, record by record, and what its stages had done on the way; bounded.

The recording holds inputs and outputs, ``replay_trace.json`` the outputs that differ and the counters of
every stage along the recording. Both are foreign: nothing here trusts their sizes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import ByteorError
from byteor.runtime.sample import RunSample, WorkerSample
from byteor_tui.model.frame import Frame
from byteor_tui.model.history import History
from byteor_tui.model.replays import Replay
from byteor_tui.model.text import clean

if TYPE_CHECKING:
    from byteor.incident.capture import CaptureFacts
    from byteor.incident.frames import Frame as Batch
    from byteor.incident.recording import Recording

TRACE = "replay_trace.json"
MAX_TRACE = 32 << 20
MAX_KEPT = 16 << 20  # payload bytes in memory; what is beyond is told by its number alone
MAX_INPUTS = 2_000_000
MAX_ROWS = 22_000  # of all frames together, as objects; points between them are left out


class Output(msgspec.Struct, frozen=True):
    """One output of one record, as recorded and as it came again; None: it did not come.

    ``verdict`` is ``equal``, ``data``, ``order``, ``missing`` or ``extra``.
    """

    egress: int
    recorded: bytes | None
    replayed: bytes | None
    verdict: str = "equal"
    digest: bool = False


class Record(msgspec.Struct, frozen=True):
    """One input with everything that came of it. ``payload`` is None where it is not kept in memory."""

    index: int
    origin: int
    at_unix_ns: int
    payload: bytes | None
    outputs: tuple[Output, ...] = ()

    @property
    def differs(self) -> bool:
        return any(one.verdict != "equal" for one in self.outputs)


class _Difference(msgspec.Struct, frozen=True):
    verdict: str
    egress: int
    sequence: int
    k: int
    expected_hex: str | None = None
    actual_hex: str | None = None
    expected_is_sha256: bool = False


class _Worker(msgspec.Struct, frozen=True):
    name: str
    role: str
    key: str


class _Trace(msgspec.Struct, frozen=True):
    """``points`` are (origin, unix ns, rows of in, out, filtered and errors by worker)."""

    recording: str = ""
    first: int | None = None
    last: int | None = None
    workers: tuple[_Worker, ...] = ()
    points: tuple[tuple[int, str, tuple[tuple[int, ...], ...]], ...] = ()
    differences: tuple[_Difference, ...] = ()


class Recorded:
    """``origins`` and ``times`` of all inputs, in their order. Made by ``read_recorded`` on a worker's
    thread, then only looked at.
    """

    def __init__(self, facts: CaptureFacts, trace: _Trace) -> None:
        self.run_id = clean(facts.run_id)
        self.origins = array("Q")
        self.times = array("q")
        self.egress_origins = array("Q")
        self.frames: tuple[Frame, ...] = ()
        self.complete = True
        self._frame_origins: tuple[int, ...] = ()
        self._kept: list[Batch] = []
        self._outputs: list[tuple[int, int, Batch]] = []
        self._differences: dict[int, list[_Difference]] = {}
        for one in trace.differences:
            self._differences.setdefault(one.sequence, []).append(one)
        self.differing = tuple(sorted(self._differences))
        self._frame_origins, self.frames = frames_of(trace, facts)

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, index: int) -> Record:
        """The record ``index``, counted from 0."""
        origin = self.origins[index]
        payload = next((found for batch in self._kept if (found := _in(batch, origin)) is not None), None)
        return Record(index, origin, self.times[index], payload, self._outputs_of(origin))

    def index_of(self, origin: int) -> int:
        """The place of the input ``origin``, or of the next one."""
        return min(len(self) - 1, bisect_left(self.origins, origin))

    def index_at(self, unix_ns: int) -> int:
        """The last input that had arrived at ``unix_ns``; the first before that."""
        return max(0, bisect_right(self.times, unix_ns) - 1)

    def frame_at(self, index: int) -> Frame | None:
        """The pipeline as it was when the input ``index`` had arrived; None without a trace."""
        if not self.frames:
            return None
        place = bisect_right(self._frame_origins, self.origins[index]) - 1
        return self.frames[max(0, place)]

    def outputs_to(self, index: int) -> int:
        """How many recorded outputs came of the inputs up to ``index``."""
        return bisect_right(self.egress_origins, self.origins[index])

    def replayed_to(self, index: int) -> int:
        """How many outputs came again of them."""
        origin = self.origins[index]
        some = [one for known in self._differences.values() for one in known if one.sequence <= origin]
        more = sum(one.verdict == "extra" for one in some) - sum(one.verdict == "missing" for one in some)
        return self.outputs_to(index) + more

    def counted_at(self, index: int) -> int:
        """The input at which the counters of ``frame_at`` were taken."""
        place = bisect_right(self._frame_origins, self.origins[index]) - 1
        return self._frame_origins[max(0, place)] if self._frame_origins else 0

    def differing_to(self, index: int) -> int:
        """How many inputs up to ``index`` have an output that differs."""
        return bisect_right(self.differing, self.origins[index])

    def _outputs_of(self, origin: int) -> tuple[Output, ...]:
        known = {(one.egress, one.k): one for one in self._differences.get(origin, ())}
        seen: dict[int, int] = {}
        found: list[Output] = []
        for low, high, batch in self._outputs:
            if not low <= origin <= high:
                continue
            payloads = batch.payloads()
            for place, one in enumerate(batch.origins):
                if one == origin:
                    k = seen.get(batch.endpoint, 0)
                    seen[batch.endpoint] = k + 1
                    found.append(
                        _output(
                            batch.endpoint,
                            payloads[place],
                            batch.digests,
                            known.pop((batch.endpoint, k), None),
                        )
                    )
        found += [_output(one.egress, None, one.expected_is_sha256, one) for one in known.values()]
        return tuple(found)

    def _read(self, recording: Recording, trace: _Trace) -> None:
        from byteor.incident.frames import EGRESS, INGRESS
        from byteor.incident.replay.inputs import Range, within

        wanted = Range(first=trace.first, last=trace.last)
        inputs: list[tuple[int, int]] = []
        size = 0
        for _, batch in recording.read():
            if batch.kind not in (INGRESS, EGRESS) or (kept := within(batch, wanted)) is None:
                continue
            if batch.kind == INGRESS:
                if len(inputs) + kept.count > MAX_INPUTS:
                    self.complete = False
                    break
                inputs += [(origin, kept.at_ns) for origin in kept.origins]
            else:
                self.egress_origins.extend(kept.origins)
            if size + len(kept.body) > MAX_KEPT and not any(one in self._differences for one in kept.origins):
                self.complete = False
                continue
            size += len(kept.body)
            if batch.kind == INGRESS:
                self._kept.append(kept)
            else:
                self._outputs.append((min(kept.origins), max(kept.origins), kept))
        inputs.sort()
        self.origins.extend(origin for origin, _ in inputs)
        high = 0
        for _, at in inputs:  # sources that write side by side are a moment out of step
            high = max(high, at)
            self.times.append(high)
        self.egress_origins = array("Q", sorted(self.egress_origins))


def read_recorded(replay: Replay) -> Recorded:
    """The recording of ``replay``. Raises ``E_REPLAY_TRACE``, ``E_CAPTURE_MISSING``, ``E_BUNDLE_...``."""
    from byteor.acts.captures import recording_of

    trace = _trace_beside(Path(replay.path))
    which = trace.recording or replay.source
    with recording_of(which) as (recording, _):
        found = Recorded(recording.facts, trace)
        found._read(recording, trace)
    if not len(found):
        raise ByteorError("E_REPLAY_TRACE", f"the recording of {which} holds no input of this replay")
    return found


def _trace_beside(audit: Path) -> _Trace:
    """The trace beside an audit file; an empty one when the replay was made without."""
    path = audit.parent / TRACE
    try:
        if path.stat().st_size > MAX_TRACE:
            raise ByteorError("E_REPLAY_TRACE", f"{TRACE} is over {MAX_TRACE >> 20} MiB long")
        return msgspec.json.decode(path.read_bytes(), type=_Trace)
    except FileNotFoundError:
        return _Trace()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ByteorError("E_REPLAY_TRACE", f"{TRACE} is damaged: {error}") from None


def frames_of(trace: _Trace, facts: CaptureFacts) -> tuple[tuple[int, ...], tuple[Frame, ...]]:
    """A frame a point, on the recording's own clock: rates are those that the stages had then."""
    history = History()
    step = max(1, len(trace.points) * len(trace.workers) // MAX_ROWS)
    origins: list[int] = []
    frames: list[Frame] = []
    for origin, at, rows in trace.points[::step]:
        try:
            sample = _sample(int(at), rows, trace.workers, facts)
        except (ValueError, IndexError):
            raise ByteorError("E_REPLAY_TRACE", f"{TRACE} has a point that is none") from None
        origins.append(origin)
        frames.append(history.fold(sample))
    return tuple(origins), tuple(frames)


def _sample(
    at_ns: int, rows: tuple[tuple[int, ...], ...], workers: tuple[_Worker, ...], facts: CaptureFacts
) -> RunSample:
    return RunSample(
        run_id=facts.run_id,
        name=facts.name,
        state="running",
        env=facts.env,
        pid=0,
        spec_hash=facts.spec_hash,
        started_unix_ns=facts.started_unix_ns,
        taken_ns=at_ns,
        taken_unix_ns=at_ns,
        workers=tuple(_worker(one, row) for one, row in zip(workers, rows, strict=True)),
        rings=(),
        first_failure="",
    )


def _worker(one: _Worker, row: tuple[int, ...]) -> WorkerSample:
    return WorkerSample(
        name=one.name,
        role=one.role,
        key=one.key,
        where="replay",
        pid=0,
        alive=True,
        state="running",
        age_ns=0,
        messages_in=row[0],
        messages_out=row[1],
        filtered=row[2],
        errors=row[3],
        lag=0,
        busy_ns=0,
        idle_ns=0,
        p50_ns=0,
        p99_ns=0,
        last_error="",
    )


def _in(batch: Batch, origin: int) -> bytes | None:
    """The payload of ``origin`` in ``batch``, if it is there."""
    origins = batch.origins
    if isinstance(origins, range):
        return batch.payloads()[origin - origins.start] if origin in origins else None
    return batch.payloads()[origins.index(origin)] if origin in origins else None


def _output(egress: int, recorded: bytes | None, digest: bool, differs: _Difference | None) -> Output:
    if differs is None:
        return Output(egress, recorded, recorded, "equal", digest)
    return Output(
        egress,
        _bytes(differs.expected_hex) if recorded is None else recorded,
        _bytes(differs.actual_hex),
        clean(differs.verdict),
        digest,
    )


def _bytes(hexed: str | None) -> bytes | None:
    try:
        return None if hexed is None else bytes.fromhex(hexed)
    except ValueError:
        return None
