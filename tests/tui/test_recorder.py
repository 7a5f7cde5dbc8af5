"""What the operator saw: how it is kept, how little of it, and its way into a bundle."""

from __future__ import annotations

import json
import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from byteor.acts.bundles import SEEN_BYTES, read_seen
from byteor.errors import ByteorError
from byteor_tui.app import ConsoleApp
from byteor_tui.recorder import KEPT_BYTES, KEPT_S, Recorder
from tests.tui.test_keys import play
from tests.tui.world import still_app

SIZE = (80, 24)


def screens(kept: bytes) -> list[list[str]]:
    """The pictures that a recording tells, one a line."""
    now: dict[int, str] = {}
    found = []
    for line in map(json.loads, kept.splitlines()):
        whole = len(line["lines"]) == line["size"][1]
        now = {int(row): text for row, text in line["lines"].items()} | ({} if whole else now)
        now |= {int(row): text for row, text in line["lines"].items()}
        found.append([now[row] for row in range(line["size"][1])])
    return found


def shown(second: int, size: tuple[int, int] = SIZE) -> list[str]:
    return [f"row {row} {second if row < 3 else ''}" for row in range(size[1])]


def test_what_is_kept_can_be_told_again_from_its_beginning_whatever_was_dropped() -> None:
    recorder = Recorder()
    for second in range(2000):
        recorder.note(("overview", SIZE, shown(second)), float(second))
    found = screens(recorder.kept)
    assert found[-1] == shown(1999)
    assert found[0][0].startswith("row 0 ") and len(found[0]) == SIZE[1]
    assert KEPT_S - 100 <= len(found) <= KEPT_S + 1, "the last ten minutes"


def test_it_is_bounded_in_bytes_also_when_everything_changes_each_second() -> None:
    recorder = Recorder()
    for second in range(300):
        recorder.note(("overview", SIZE, [f"{second}" * 200] * 24), float(second))
    assert 0 < len(recorder.kept) <= KEPT_BYTES < SEEN_BYTES
    screens(recorder.kept)


def test_nothing_is_kept_of_other_places_of_another_run_or_when_it_is_off() -> None:
    recorder = Recorder()
    for place in ("approvals", "audit", "doctor", "runs", "incidents"):
        recorder.note((place, SIZE, ["secret"] * 24), 1.0)
    assert recorder.kept == b""
    recorder.note(("stages", SIZE, shown(1)), 2.0)
    assert screens(recorder.kept) == [shown(1)]
    recorder.note(("stages", SIZE, shown(1)), 3.0)
    assert len(screens(recorder.kept)) == 1, "a calm second is no line"
    recorder.forget()
    assert recorder.kept == b""
    off = Recorder(keep=False)
    off.note(("stages", SIZE, shown(1)), 2.0)
    assert off.kept == b""


def test_a_file_of_ones_own_gets_every_place_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    recorder = Recorder(path)
    recorder.note(("audit", SIZE, shown(1)), 1.0)
    recorder.close()
    assert screens(path.read_bytes()) == [shown(1)]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600  # noqa: PTH116


@pytest.mark.parametrize(
    "data",
    [
        b"notes\n",
        b'{"at":1}\n',
        b'{"at":1,"screen":"\xff","size":[1,1],"lines":{}}\n',
        b'{"at":1,"screen":"x","size":[1,1],"lines":{},"more":1}\n',
        b"{}" * SEEN_BYTES,
    ],
)
def test_what_is_no_recording_does_not_go_into_a_bundle(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ByteorError) as caught:
        read_seen(path)
    assert caught.value.code == "E_SEEN" and caught.value.exit == 3


def test_i_puts_what_was_seen_into_the_bundle(private: Path, live: Any, terminal: Callable[..., Any]) -> None:
    console = terminal(size=(120, 40))
    console.wait_for("LIVE", "parse")
    console.press("2")
    console.wait_for("2 Stages")
    end = time.monotonic() + 2.2  # it looks once a second; one read ends with the first bytes
    while time.monotonic() < end:
        console.read(0.2)
    console.press("i")
    console.wait_for("ok  audit #")
    (bundle,) = private.rglob("*.bundle.zip")
    with zipfile.ZipFile(bundle) as file:
        found = screens(file.read("console.jsonl"))
    assert any("LIVE" in picture[0] and any("annotate" in row for row in picture) for picture in found)
    console.press("q")
    assert console.wait() == 0


def test_a_picture_that_is_not_laid_out_yet_is_not_noted(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        for place in ("stages", "diff", "overview", "replay", "stages"):
            app.go(place)
            app.paint(note_every_s=0.0)
            await pilot.pause()
            app.paint(note_every_s=0.0)
        seen = [json.loads(line) for line in app.recorder.kept.splitlines()]
        assert {line["screen"] for line in seen} == {"overview", "stages", "diff", "replay"}
        screens(app.recorder.kept)  # the first of each screen has all its rows

    play(still_app(monkeypatch, private, sample), story, SIZE)
