"""The Overview's lines apart from the table."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor_tui.glyphs import BLOCKS
from byteor_tui.model.frame import Frame
from byteor_tui.model.history import History
from byteor_tui.model.view import LogEntry, View, mode_word
from byteor_tui.screens import overview_lines as lines
from byteor_tui.tones import Line, span_width


def said(line: Line) -> str:
    return "".join(text for text, _ in line)


def view_of(frame: Frame | None, **given: Any) -> View:
    fields: dict[str, Any] = {
        "age_ns": 100_000_000,
        "paused_ns": None,
        "error": "",
        "log": (),
        "glyphs": BLOCKS,
        "hz": 10.0,
        "pace_note": "",
        "cpu_share": 0.05,
    }
    return View(frame=frame, **{**fields, **given})


@pytest.mark.parametrize(
    ("state", "given", "word"),
    [
        ("running", {}, "LIVE"),
        ("running", {"paused_ns": 5_000_000_000}, "PAUSED"),
        ("running", {"age_ns": 4_200_000_000}, "STALE"),
        ("draining", {}, "DRAINING"),
        ("dead", {}, "DEAD"),
        ("failed", {"age_ns": 10**12}, "FAILED"),
        ("finished", {"paused_ns": 1}, "FINISHED"),
    ],
)
def test_the_mode_is_a_word_never_a_frozen_number(
    sample: Any, state: str, given: dict[str, Any], word: str
) -> None:
    view = view_of(History().fold(sample(1.0, state=state)), **given)
    assert mode_word(view) == word
    assert word in said(lines.top(view, 80))


def test_the_top_bar_says_who_how_old_how_fast_and_what_it_costs(sample: Any) -> None:
    history = History()
    history.fold(sample(0.0))
    text = said(lines.top(view_of(history.fold(sample(1.0))), 120))
    for part in ("DEV", "LIVE 0.1s", "host-telemetry", "9f3ac1e", "1.00k/s", "p99 1.80 ms", "10 Hz 5%"):
        assert part in text


def test_alerts_outlive_everything_else_in_a_narrow_top_bar(sample: Any) -> None:
    failed = sample(1.0, first_failure="stage parse at sequence 3: boom")
    text = said(lines.top(view_of(History().fold(failed)), 20))
    assert "LIVE" in text and "!1" in text


def test_a_ring_says_how_full_it_is_and_who_is_slowest(sample: Any) -> None:
    frame = History().fold(sample(2.0))
    (line,) = lines.rings(frame, 80, 1, BLOCKS)
    assert "25 %" in said(line) and "min gate detect" in said(line)
    for width in range(20, 200, 7):
        assert span_width(lines.rings(frame, width, 1, BLOCKS)[0]) <= max(width, 60)


def test_needs_that_do_not_fit_are_counted(sample: Any) -> None:
    bad = sample(1.0)
    workers = tuple(msgspec.structs.replace(worker, age_ns=9_000_000_000) for worker in bad.workers)
    frame = History().fold(msgspec.structs.replace(bad, workers=workers))
    shown = lines.needs(frame.needs, 80, 3)
    assert len(shown) == 3 and said(shown[-1]).strip() == "and 3 more"
    assert said(lines.needs((), 80, 3)[0]).strip() == "nothing"


def test_a_long_alert_is_wrapped_into_the_rows_that_are_free(sample: Any) -> None:
    why = "stage parse at sequence 9: " + " ".join(f"word{number}" for number in range(20))
    frame = History().fold(sample(1.0, first_failure=why))
    shown = [said(line) for line in lines.needs(frame.needs, 80, 4)]
    assert len(shown) == 3 and all(len(row) <= 80 for row in shown)
    assert "word19" in shown[-1]
    assert len(lines.needs(frame.needs, 80, 1)) == 1


def test_the_log_shows_command_lines_with_outcome_and_audit_number() -> None:
    entries = (
        LogEntry(0, "byteor snapshot r", command=True, ok=True, audit_seq=7),
        LogEntry(0, "byteor snapshot r", command=True, ok=None),
        LogEntry(0, "byteor snapshot r", command=True, ok=False),
    )
    text = [said(line) for line in lines.log(entries, 80, 3)]
    assert all("$ byteor snapshot r" in line for line in text)
    assert "ok" in text[0] and "audit #7" in text[0]
    assert "..." in text[1] and "FAILED" in text[2]
    assert all(span_width(line) == 80 for line in lines.log(entries, 80, 3))
    assert len(lines.log(entries, 80, 2)) == 2 and lines.log(entries, 80, 0) == []


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_path_is_wrapped_and_an_act_keeps_its_outcome(width: int) -> None:
    path = "/" + "deep/" * 20 + "x.json"
    act = LogEntry(0, f"byteor snapshot {path}", command=True, ok=True, audit_seq=12)
    rows = [said(line) for line in lines.log((act, LogEntry(0, f"-> {path}")), width, 12)]
    assert all(len(row) <= width for row in rows)
    assert rows[0].rstrip().endswith("ok  audit #12") and ("..." in rows[0]) == (len(path) + 40 > width)
    assert path in "".join(row[10:].strip() for row in rows[1:])


def test_the_selected_stage_shows_its_totals_and_a_chart(sample: Any) -> None:
    history = History()
    for second in range(6):
        frame = history.fold(sample(float(second)))
    drawn = lines.detail(frame.rows[1], 120, 12, BLOCKS)
    assert len(drawn) == 12
    assert "in 5,000" in said(drawn[1])
    assert lines.detail(None, 120, 12, BLOCKS) == []
