"""Keys of time on screen 6: the recording is what every screen shows, until L."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from scenes import Scene

from byteor.acts import replays
from byteor_tui.app import ConsoleApp
from byteor_tui.model.run import Run
from byteor_tui.shot import screen_text

SECOND = 1_000_000_000
CODE = "from byteor.runtime.stages import stage\n\n@stage\ndef same(message):\n    return message\n"
START = 1_760_000_000 * SECOND


def test_a_replay_drives_the_screens_of_a_live_run_and_stops_at_each_difference(
    private: Path, run: Run, sample: Any, played: Any
) -> None:
    (private / "state" / "capture").mkdir()
    (private / "state" / "replays").mkdir()
    scene = Scene(private, CODE, "identity", "same")
    outputs = [(n, b"wrong" if n in {30, 60} else b"m%d" % n) for n in range(100)]
    scene.record(
        [b"m%d" % n for n in range(100)],
        outputs,
        folder="state/capture/pipe-1",
        arrival_ns=lambda n: START + n * SECOND // 10,
    )
    out = private / "state" / "replays" / "pipe-1.20260101T000000.000Z"
    replays.replay_now(replays.ReplayRequest(which="pipe-1", trace=True, out=out, stage_modules=()))

    async def story() -> None:
        app = ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)))
        async with app.run_test(size=(120, 40)) as pilot:

            async def until(word: str) -> str:
                for _ in range(300):
                    await pilot.pause(0.02)
                    if word in screen_text(app):
                        return screen_text(app)
                raise AssertionError(f"no {word!r} in\n{screen_text(app)}")

            await until("LIVE")
            await pilot.press("6")
            text = await until("difference 1 of 2")
            assert "LIVE" in text.splitlines()[0], "looking at a replay does not leave the run"
            await pilot.press("right_square_bracket")
            text = await until("record 31")
            assert "REPLAY" in text.splitlines()[0] and "PAUSED" in text.splitlines()[0]
            await pilot.press("plus", "plus", "plus", "plus", "plus", "space")
            text = await until("difference 2 of 2")
            assert "32x PAUSED" in text.splitlines()[0], "it stopped there by itself"
            await pilot.press("1")
            text = await until("1 Overview")
            assert "REPLAY" in text.splitlines()[0] and " s1 " in text and "detect" not in text
            await pilot.press("L")
            text = await until("detect")
            assert "LIVE" in text.splitlines()[0]

    asyncio.run(story())
