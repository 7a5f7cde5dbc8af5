"""Stages in real runs: set-up before the first message, teardown after the last, arrivals, reports."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from home import Home

STAGES = """
import os
from pathlib import Path
from byteor.runtime.stages import stage

def note(text):
    with open(os.environ["BYTEOR_TEST_NOTES"], "a") as file:
        file.write(text + "\\n")

@stage("notes", parameters="FAIL", required=True)
class Notes:
    def __init__(self, fail):
        self.fail = fail

    def setup(self):
        note("setup")
        if self.fail == "setup":
            raise RuntimeError("no licence")

    def __call__(self, message):
        note("message")
        if self.fail == "message":
            raise RuntimeError("kaboom")
        return message

    def teardown(self):
        note("teardown")
        if self.fail == "teardown":
            raise RuntimeError("cannot close")

@stage
def twice(message):
    return [message + b"a", message + b"b"]

@stage("stamp", kind="clocked")
def stamp(message, context):
    return message + b" %d" % context.now_ns()
"""


@pytest.fixture
def stages(home: Home) -> Path:
    path = home.root / "own_stages.py"
    path.write_text(STAGES)
    home.env["BYTEOR_TEST_NOTES"] = str(home.root / "notes")
    return path


def test_a_stages_process_tears_down_what_it_set_up_also_when_it_fails(home: Home, stages: Path) -> None:
    told = home.json(
        *("run", home.spec(("one", "notes:message")), "--stages", stages),
        *("--source", f"file:{home.lines(2)}", "--sink", "null:"),
    )
    assert (home.root / "notes").read_text().split() == ["setup", "message", "teardown"]
    assert told["state"] == "failed"
    assert "kaboom" in told["first_failure"]["error"]


def test_what_set_up_raises_is_told_before_anything_runs(home: Home, stages: Path) -> None:
    done = home.byteor(
        *("run", home.spec(("one", "notes:setup")), "--stages", stages),
        *("--source", f"file:{home.lines(2)}", "--sink", "null:"),
    )
    assert done.returncode == 11
    assert "E_STAGE_START" in done.stderr
    assert "no licence" in done.stderr
    assert (home.root / "notes").read_text().split() == ["setup"]


def graph(home: Home, *keys: str) -> Path:
    lines = ["v=2", "pipeline.name=graph", "pipeline.target=LaneGraph"]
    lines += ["pipeline.boundaries.0.id=in", "pipeline.boundaries.0.kind=ingress"]
    lines += ["pipeline.boundaries.1.id=out", "pipeline.boundaries.1.kind=egress"]
    places = ["in", *(f"s{index}" for index in range(len(keys))), "out"]
    for index, key in enumerate(keys):
        lines += [f"pipeline.stages.{index}.id=s{index}", f"pipeline.stages.{index}.key={key}"]
    for index, (one, other) in enumerate(pairwise(places)):
        lines += [f"pipeline.connections.{index}.from={one}", f"pipeline.connections.{index}.to={other}"]
    path = home.root / "graph.plan.kv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_graph_fans_lists_out_and_every_part_has_the_arrival_of_its_message(
    home: Home, stages: Path
) -> None:
    told = home.json(
        *("run", graph(home, "twice", "stamp"), "--stages", stages),
        *("--source", f"file:{home.lines(50)}", "--sink", f"file:{home.root / 'out'}"),
    )
    assert (told["state"], told["in"], told["out"]) == ("finished", 50, 100)
    lines = [line.split() for line in (home.root / "out").read_text().splitlines()]
    assert [line[0] for line in lines] == [f"{n}{part}" for n in range(50) for part in "ab"]
    times = [int(line[1]) for line in lines]
    assert times[0::2] == times[1::2]
    assert times == sorted(times)
    assert len(set(times)) < 50


def test_a_guard_in_a_run_leaves_its_report_in_the_runs_folder(home: Home) -> None:
    schema = {
        "schema-id": "numbers",
        "msg-type": "row",
        "version": 1,
        "fields": [{"name": "n", "type": "integer"}],
    }
    folder = home.root / "schemas"
    folder.mkdir()
    (folder / "numbers.json").write_text(json.dumps(schema))
    key = f"dataguard_fused:registry={folder};schema-id=numbers;msg-type=row;mode=csv;rules=n:truncate=1"
    source = home.root / "rows"
    source.write_text("".join(f"{n}\n" for n in range(30)) + "x\n1,2\n")
    told = home.json(
        *("run", home.spec(("guard", key)), "--source", f"file:{source}"),
        *("--sink", f"file:{home.root / 'out'}"),
    )
    assert (told["in"], told["out"], told["filtered"]) == (32, 30, 2)
    assert (home.root / "out").read_text().split() == [str(n)[0] for n in range(30)]
    (report,) = (home.root / "run").glob("*/guard.report.kv")
    lines = dict(line.split("=", 1) for line in report.read_text().splitlines())
    assert [lines[name] for name in ("in", "redacted", "rejected_type", "rejected_columns")] == [
        *("32", "30", "1", "1"),
    ]
