"""What a worker process says is heard, however it arrives."""

from __future__ import annotations

import os
import threading
from typing import cast

import msgspec
import pytest

from byteor.runtime.decided import Told
from byteor.runtime.folders import Failure
from byteor.runtime.worker_config import WorkerConfig, WorkerEvent
from byteor.runtime.worker_main import _tell
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


def test_what_two_threads_tell_arrives_as_whole_lines() -> None:
    ours, theirs = os.pipe()
    config = cast(WorkerConfig, type("Config", (), {"event_fd": theirs}))
    told = WorkerEvent("decided", told=Told(1, choices=list(range(50_000))))  # more than a pipe takes at once

    def tell() -> None:
        for _ in range(5):
            _tell(config, told)

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    with os.fdopen(ours, "rb") as pipe:
        heard = [msgspec.json.decode(pipe.readline(), type=WorkerEvent) for _ in range(10)]
    for thread in threads:
        thread.join()
    os.close(theirs)
    assert heard == [told] * 10
