"""What a worker process says is heard, however it arrives."""

from __future__ import annotations

import os

import msgspec
import pytest

from byteor.runtime.folders import Failure
from byteor.runtime.worker_config import WorkerEvent
from byteor.runtime.worker_process import WorkerProcess, _said_ready


@pytest.mark.parametrize("noise", [b"hello\n", b'{"event": "\xff"}\n'])
def test_what_a_stage_writes_into_the_pipe_is_told_as_that(noise: bytes) -> None:
    process = WorkerProcess.__new__(WorkerProcess)
    process.events, theirs = os.pipe2(os.O_NONBLOCK)
    process.name, process.problems, process.unheard, process._buffer = "a", (), [], bytearray()
    os.write(theirs, noise)
    try:
        (event,) = process.read_events()
    finally:
        os.close(theirs)
        os.close(process.events)
    assert event.failure is not None
    assert event.failure.code == "E_WORKER_PROTOCOL"


def test_a_failure_that_comes_together_with_ready_is_heard_afterwards() -> None:
    process = WorkerProcess.__new__(WorkerProcess)  # its ear alone, without a process
    process.events, theirs = os.pipe2(os.O_NONBLOCK)
    process.name, process.problems, process.unheard, process._buffer = "a", (), [], bytearray()
    failed = WorkerEvent("failed", Failure("a", 7, "broke", "E_STAGE_RAISED"))
    for event in (WorkerEvent("ready"), failed):
        os.write(theirs, msgspec.json.encode(event) + b"\n")
    try:
        assert _said_ready(process)
        assert process.read_events() == [failed]
        assert process.read_events() == []
    finally:
        os.close(theirs)
        os.close(process.events)
