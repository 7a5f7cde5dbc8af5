"""The reader thread and its slot."""

from __future__ import annotations

import threading
import time
from typing import Any

from byteor.errors import ByteorError
from byteor.runtime.sample import RunSample
from byteor_tui.model.log import KEPT, Log
from byteor_tui.model.reader import Reader
from byteor_tui.model.view import LogEntry


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.005)


def test_the_slot_holds_the_newest_frame_and_the_source_is_closed_at_the_end(
    sample: Any, played: Any
) -> None:
    source = played(lambda at_s: sample(at_s))
    reader = Reader(source, period_s=0.01)
    reader.start()
    wait_for(lambda: reader.latest is not None)
    first = reader.latest
    wait_for(lambda: reader.latest is not first)
    assert reader.latest is not None and first is not None
    assert reader.latest.taken_ns > first.taken_ns
    reader.close()
    assert source.closed


def test_collection_goes_on_while_nobody_looks(sample: Any, played: Any) -> None:
    source = played(lambda at_s: sample(at_s))
    reader = Reader(source, period_s=0.01)
    reader.start()
    wait_for(lambda: source.taken > 20)
    reader.close()


def test_a_run_that_cannot_be_read_any_more_leaves_its_last_frame(sample: Any, played: Any) -> None:
    gone = threading.Event()

    def play(at_s: float) -> RunSample:
        if gone.is_set():
            raise ByteorError("E_RUN_NOT_FOUND", "the run folder is gone")
        made: RunSample = sample(at_s)
        return made

    reader = Reader(played(play), period_s=0.01)
    reader.start()
    wait_for(lambda: reader.latest is not None)
    gone.set()
    wait_for(lambda: reader.error is not None)
    assert reader.latest is not None
    assert reader.error is not None and reader.error.code == "E_RUN_NOT_FOUND"
    gone.clear()
    wait_for(lambda: reader.error is None)
    reader.close()


def test_a_disk_error_is_told_as_one_sentence(played: Any) -> None:
    def play(at_s: float) -> RunSample:
        raise PermissionError(13, "Permission denied")

    reader = Reader(played(play), period_s=0.01)
    reader.start()
    wait_for(lambda: reader.error is not None)
    assert reader.error is not None and "Permission denied" in reader.error.message
    reader.close()


def test_the_log_is_bounded_and_settles_entries_by_number() -> None:
    log = Log()
    first = log.add(LogEntry(0, "byteor snapshot r", command=True, ok=None))
    assert log.running == 1 and log.last_command == "byteor snapshot r"
    log.settle(first, ok=True, audit_seq=7)
    assert log.entries[0].ok and log.entries[0].audit_seq == 7
    for _ in range(KEPT):
        log.add(LogEntry(0, "later"))
    assert len(log.entries) == KEPT and log.last_command is None
    log.settle(first, ok=False, audit_seq=None)
    assert all(entry.text == "later" for entry in log.entries)
