"""The line stream: every line can be read by itself, and nothing is said twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.errors import ByteorError
from byteor_tui.model.history import History
from byteor_tui.plain import follow, lines_between


def test_the_first_lines_say_which_run_and_every_stage(sample: Any) -> None:
    said = list(lines_between(None, History().fold(sample(1.0))))
    assert "run host-telemetry-20260101T000000-abcd (host-telemetry, spec 9f3ac1e, pid 4242)" in said[0]
    assert [line.split(" stage ")[1].split()[0] for line in said[1:6]] == [
        "host",
        "parse",
        "detect",
        "annotate",
        "out",
    ]
    assert "run running, in 1000, out 1000, errors 0, ring ring-0 25 %" in said[6]


def test_a_calm_second_is_one_line(sample: Any) -> None:
    history = History()
    before = history.fold(sample(1.0))
    (line,) = lines_between(before, history.fold(sample(2.0)))
    assert "1.00k messages/s" in line


def test_a_stage_that_fails_is_said_once_and_so_is_the_alert(sample: Any) -> None:
    history = History()
    before = history.fold(sample(1.0))
    bad = sample(2.0)
    workers = (
        bad.workers[0],
        msgspec.structs.replace(bad.workers[1], state="failed", last_error="boom"),
        *bad.workers[2:],
    )
    failed = history.fold(msgspec.structs.replace(bad, workers=workers))
    said = list(lines_between(before, failed))
    assert sum("stage parse FAILED" in line for line in said) == 1
    assert sum("alert parse: boom" in line for line in said) == 1
    assert len(list(lines_between(failed, failed))) == 1


def test_the_stream_ends_with_the_run_and_tells_all_stages_again(sample: Any, played: Any) -> None:
    said: list[str] = []
    frame = follow(played(lambda at_s: sample(5.0, state="finished")), said.append)
    assert frame is not None and frame.ended
    assert said[-1].split(" ", 1)[1].startswith("run finished, in 5000, out 5000")
    assert all("\x1b" not in line and "\n" not in line for line in said)


def test_a_run_that_cannot_be_read_at_all_is_an_error(played: Any) -> None:
    def play(at_s: float) -> Any:
        raise ByteorError("E_RUN_NOT_FOUND", "gone")

    with pytest.raises(ByteorError, match="gone"):
        follow(played(play), print)
