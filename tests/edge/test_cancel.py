"""A sink that waits for its reader can be told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from edge_peers import Call, Edges, eventually

from byteor.edge import EdgeError


def test_a_fifo_that_nobody_empties_is_told_and_left(edges: Edges, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    sink = edges.sink(f"file:{tmp_path / 'fifo'}")
    call = Call(lambda: sink.write([b"x" * 200_000]))
    eventually(lambda: not sink.health().ok)
    assert "takes nothing" in sink.health().detail
    sink.cancel()
    with pytest.raises(EdgeError) as caught:
        call.outcome()
    os.close(reader)
    assert caught.value.code == "E_SINK_CANCELLED"


STDOUT = """
import sys, threading
from byteor.edge import EdgeError, parse_sink
sink = parse_sink("stdout:")
sink.open()
threading.Timer(0.1, sink.cancel).start()
try:
    sink.write([b"x" * 1_000_000])
except EdgeError as error:
    print(error.code, file=sys.stderr)
"""


def test_a_pipe_behind_standard_output_holds_nobody_for_ever() -> None:
    reader, writer = os.pipe()
    ran = subprocess.run(
        [sys.executable, "-c", STDOUT],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    os.close(reader)
    os.close(writer)
    assert ran.stderr == "E_SINK_CANCELLED\n"
