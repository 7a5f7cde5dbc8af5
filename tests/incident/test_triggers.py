"""A run becomes an incident when a condition holds, and not before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from recorded import ran

from byteor.acts.incident_watch import watch_for_incidents
from byteor.acts.incidents import incidents
from byteor.errors import ByteorError
from byteor.incident.triggers import Memory, Reading, Trigger, fired, parse_when
from byteor.runtime.folders import find_run

S = 1_000_000_000


def reading(
    seconds: float, came: int = 0, left: int = 0, drops: int = 0, errors: int = 0, lag: int = 0
) -> Reading:
    return Reading(int(seconds * S), came, left, drops, errors, lag)


@pytest.mark.parametrize(
    ("when", "readings", "at"),
    [
        ("error", [reading(0), reading(1, errors=1)], 1),
        ("drops > 10", [reading(0, drops=10), reading(1, drops=11)], 1),
        ("lag>5", [reading(0, lag=5), reading(1, lag=6)], 1),
        ("stall > 3", [reading(t, 9, 1, lag=8) for t in range(8)], 4),
        ("stall > 3", [reading(t, t, t, lag=1) for t in range(8)], None),  # it moves
        ("stall > 3", [reading(t, 9, 9) for t in range(8)], None),  # nothing waits
        ("rate < 100", [reading(t, t * 200, t * 200) for t in range(8)], None),
        ("rate < 100", [reading(t, 0, 0) for t in range(8)], None),  # nothing has begun
        (
            "rate < 100",
            [reading(0, 1, 1), reading(1, 900, 900), reading(2, 990, 990), reading(4, 991, 991)],
            3,
        ),
    ],
)
def test_a_condition_holds_when_it_says_and_not_before(
    when: str, readings: list[Reading], at: int | None
) -> None:
    triggers, memory, first = parse_when([when]), None, None
    held: Memory | None = memory
    for index, now in enumerate(readings):
        holding, held = fired(triggers, held, now)
        if holding and first is None:
            first = index
    assert first == at


@pytest.mark.parametrize(
    "text", ["", "errors", "drops", "drops > many", "drops < 5", "rate > 5", "lag >= 3", "error > 1"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ByteorError) as caught:
        parse_when([text])
    assert caught.value.code == "E_INCIDENT_WHEN"


def test_a_condition_of_byteor_toml_bundles_the_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "byteor.toml").write_text('[incident]\nwhen = ["error", "lag > 1000000"]\n')
    assert [one.kind for one in watch_for_incidents()._left] == ["error", "lag"]
    ran(home)
    watch = watch_for_incidents()
    watch._left = (Trigger("rate", 0.0, "x"), Trigger("lag", -1, "lag > -1"))
    info = find_run(None)
    watch.running(Path(info.folder))
    watch.tick()
    watch.close()
    (found,) = incidents().values()
    assert found.cause == "trigger: lag > -1"
    assert os.path.exists(found.links[0].value)  # noqa: PTH110
    assert json.loads(json.dumps(found.title))


def test_a_wrong_condition_keeps_a_run_from_starting(home: Path) -> None:
    (home / "byteor.toml").write_text('[incident]\nwhen = "now and then"\n')
    with pytest.raises(ByteorError) as caught:
        ran(home)
    assert caught.value.code == "E_INCIDENT_WHEN"
