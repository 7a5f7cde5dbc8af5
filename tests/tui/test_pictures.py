"""Every place at three sizes and four stages side by side, drawn from a world that stands still, as agreed in
``pictures/``.

    BYTEOR_PICTURES=write pytest tests/tui/test_pictures.py      # after a change that was meant

Read the difference before it is committed: it is what an operator will see.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.tui.test_kept_stages import FOUR
from tests.tui.test_kept_stages import look as kept_stages
from tests.tui.test_layout import look
from tests.tui.world import still_app

FOLDER = Path(__file__).parent / "pictures"
SIZES = ((40, 10), (80, 24), (120, 40))


def test_the_pictures_are_those_that_were_agreed(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = look(still_app(monkeypatch, private, sample), SIZES)
    drawn = {
        f"{name}-{width}x{height}.txt": "".join(f"{strip.text.rstrip()}\n" for strip in strips)
        for (name, (width, height)), strips in seen.items()
        if name != "sign"  # its code is new each time
    }
    (beside,) = kept_stages(still_app(monkeypatch, private, sample), (200, 60), FOUR, "detect")
    drawn["kept-200x60.txt"] = "".join(f"{line}\n" for line in beside)
    if os.environ.get("BYTEOR_PICTURES") == "write":
        FOLDER.mkdir(exist_ok=True)
        for path in FOLDER.glob("*.txt"):
            path.unlink()
        for name, text in drawn.items():
            (FOLDER / name).write_text(text)
    assert sorted(drawn) == sorted(path.name for path in FOLDER.glob("*.txt"))
    for name, text in drawn.items():
        assert text == (FOLDER / name).read_text(), f"{name} differs; is it meant? see this file's head"
