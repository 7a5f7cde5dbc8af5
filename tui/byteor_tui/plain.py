"""The console as a stream of lines: for screen readers, braille, CI and dumb terminals.

One line a second about the run, a line when a stage changes its state or something needs a person, and all
stages at the start and at the end. Every line starts with the time and can be read by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from byteor_tui.model.frame import Frame, Mark, StageRow
from byteor_tui.model.reader import Reader
from byteor_tui.model.source import Source
from byteor_tui.model.text import count, milliseconds, percent, short_hash, wall_clock

PERIOD_S = 1.0


def follow(source: Source, write: Callable[[str], None], *, seconds: float | None = None) -> Frame | None:
    """Write lines until the run has ended or ``seconds`` are over; returns the last frame.

    Raises the reader's ``ByteorError`` when the run could not be read even once.
    """
    reader = Reader(source)
    reader.start()
    before: Frame | None = None
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while True:
            frame = reader.latest
            if frame is None and reader.error is not None:
                raise reader.error
            if frame is not None:
                for line in lines_between(before, frame):
                    write(line)
                before = frame
                if frame.ended or reader.error is not None:
                    return frame
            if end is not None and time.monotonic() >= end:
                return frame
            time.sleep(PERIOD_S if frame is not None else 0.02)
    finally:
        reader.close()


def lines_between(before: Frame | None, now: Frame) -> Iterator[str]:
    """What to say about ``now`` to somebody who has heard about ``before``."""
    at = wall_clock(now.taken_unix_ns)
    if before is None:
        yield f"{at} run {now.run_id} ({now.name}, spec {short_hash(now.spec_hash)}, pid {now.pid})"
    known = {row.name: row for row in before.rows} if before is not None else {}
    for row in now.rows:
        old = known.get(row.name)
        if (
            old is None
            or (old.state, old.mark) != (row.state, row.mark)
            or (now.ended and not _ended(before))
        ):
            yield f"{at} {_stage(row)}"
    said = {(need.mark, need.subject) for need in before.needs} if before is not None else set()
    for need in now.needs:
        if (need.mark, need.subject) not in said:
            word = "alert" if need.mark is Mark.ALERT else "unknown"
            yield f"{at} {word} {need.subject}: {need.text}"
    yield f"{at} {_run(now)}"


def _ended(frame: Frame | None) -> bool:
    return frame is not None and frame.ended


def _run(frame: Frame) -> str:
    parts = [f"run {frame.state}"]
    if frame.rate_per_s is not None and not frame.ended:
        parts.append(f"{count(frame.rate_per_s)} messages/s")
    parts += [f"in {frame.messages_in}", f"out {frame.messages_out}", f"errors {frame.errors}"]
    parts += [f"ring {ring.name} {percent(ring.in_flight, ring.capacity)}" for ring in frame.rings]
    if frame.p99_ns > 0:
        parts.append(f"p99 {milliseconds(frame.p99_ns)} ms")
    return ", ".join(parts)


def _stage(row: StageRow) -> str:
    parts = [f"stage {row.name} {row.state}"]
    if row.rate_per_s is not None:
        parts.append(f"{count(row.rate_per_s)} messages/s")
    parts += [f"lag {row.lag}", f"errors {row.errors}"]
    if row.p99_ns > 0:
        parts.append(f"p99 {milliseconds(row.p99_ns)} ms")
    if row.note:
        parts.append(row.note)
    return ", ".join(parts)
