"""What a wide terminal has beside the detail: who started a spec, whom it reaches, two states, who wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from byteor_tui.glyphs import ASCII, BLOCKS
from byteor_tui.model.bundle_pages import BundlePages
from byteor_tui.model.evidence import AuditRow, Check, Checks, Past
from byteor_tui.model.sides import sides_of
from byteor_tui.screens import audit, diff, doctor, incidents
from byteor_tui.tones import Line
from tests.tui.world import specs

SECOND = 1_000_000_000


def text(lines: list[Line]) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def started(seq: int, spec_hash: str, actor: str) -> AuditRow:
    return AuditRow(seq, seq * SECOND, f"user:{actor}", "run_started", "prod", "r", spec_hash)


def test_a_diff_says_who_last_started_each_side_and_whom_a_change_reaches(tmp_path: Path) -> None:
    facts = specs(tmp_path)
    rows = (
        started(1, facts.a.spec_hash, "eve"),
        started(2, facts.a.spec_hash, "bob"),
        started(3, "x", "mallory"),
    )
    assert diff.started_by(facts.a, rows).startswith("bob at ")
    assert diff.started_by(facts.b, rows) == ""
    hit, behind = diff.touched(facts)
    assert hit == {"detect", "annotate"} and behind == ["egress"]
    assert "what it touches" in text(diff.detail(facts, "", 120, rows))
    assert "what it touches" not in text(diff.detail(facts, "", 80, rows)), "no room"


def document(at: int, run: str = "run-a", **worker: Any) -> dict[str, Any]:
    told = {"name": "detect", "alive": True, "state": "running", "processed": 10, "errors": 0, **worker}
    return {
        "schema": "byteor.snapshot/v1", "taken_unix_ns": str(at), "run_id": run, "pipeline": "p",
        "state": "running", "spec_hash": "sha256:1", "stages": [told], "roles": [],
    }  # fmt: skip


def test_two_states_of_a_run_stand_beside_each_other(tmp_path: Path) -> None:
    for at, run in ((1, "run-a"), (2, "run-a"), (9, "run-a"), (2, "run-ab")):
        path = tmp_path / f"{run}.{at}.snapshot.json"
        path.write_bytes(msgspec.json.encode(document(at, run, processed=at)))
    (tmp_path / "run-a.3.snapshot.json").write_text("{")
    found = sides_of(document(5, state="failed", errors=1, processed=7), tmp_path)
    assert [(one.label, one.at_unix_ns) for one in found] == [("snapshot", 2), ("bundle", 5)]
    told = text(incidents.sides(BundlePages("x", sides=found)))
    assert "running -> failed" in told and "2 -> 7" in told and "0 -> 1" in told
    assert sides_of({"taken_unix_ns": "x"}, tmp_path) == ()


def test_who_wrote_when_is_drawn_for_each_actor_with_the_glyphs_of_the_terminal() -> None:
    rows = tuple(started(n, "x", "early" if n < 10 else "late") for n in range(20))
    early, late = text(audit.density(rows, BLOCKS)).splitlines()[1:]
    assert early.split()[0] == "early" and set(early[14:24]) != {"\u2581"}
    assert set(early[-10:]) == {"\u2581"}
    assert set(late[14:24]) == {"\u2581"}
    assert text(audit.density(rows, ASCII)).isascii()


def test_a_check_tells_each_time_that_it_said_something_else() -> None:
    def rows(verdict: str) -> tuple[Check, ...]:
        return (Check("shm", verdict, f"is {verdict}"),)

    before = tuple(
        Past("here", n * SECOND, "default", rows(word)) for n, word in enumerate(("pass", "pass", "warn"))
    )
    other = (
        Past("there", SECOND, "default", rows("fail")),
        Past("here", SECOND, "low-latency", rows("fail")),
    )
    now = Checks(rows("pass"), 9 * SECOND, before=before, host="here")
    told = text(doctor.history(rows("pass")[0], now, 80))
    assert "4 runs" in told and told.count("is pass") == 2 and told.count("is warn") == 1
    now = msgspec.structs.replace(now, before=(*before, *other))
    told = text(doctor.history(rows("pass")[0], now, 80))
    assert told.count("is fail (--profile low-latency)") == told.count("is fail") == 1
    assert doctor.history(rows("pass")[0], Checks(rows("pass"), 9 * SECOND), 80) == []


def test_two_hosts_are_compared_by_what_they_are_and_by_their_checks() -> None:
    def past(host: str, linux: str, *said: str) -> Past:
        checks = tuple(
            Check(name, "pass", text) for name, text in zip(("cpu", "shm", "new"), said, strict=False)
        )
        return Past(host, SECOND, "default", checks, (("linux", linux), ("memory", "8 MiB")))

    here = past("here", "6.1", "2% busy", "is tmpfs", "yes")
    now = Checks(
        here.rows, 2 * SECOND, host="here", facts=here.facts, before=(past("here", "6.1", "9% busy", "x"),)
    )
    told = text(doctor.compared(now, 120))
    assert "this host, then and now" in told and "linux" not in told and "busy" not in told
    assert "pass: is tmpfs" in told and "not checked" in told and "3 of 5 alike" in told
    other = past("there", "5.15", "2% busy", "is tmpfs", "yes")
    told = text(doctor.compared(msgspec.structs.replace(now, before=(*now.before, other)), 120))
    assert "hosts compared" in told and "6.1" in told and "5.15" in told and "4 of 5 alike" in told
    assert doctor.compared(now, 60) == [], "there is no room for two columns"
