"""What runs against what is on disk: hunks, structure, problems, versions, topology."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from byteor.spec import load
from byteor_tui.demo_plan import PLAN
from byteor_tui.model.specs import SpecBoard, SpecFacts, diff_lines
from byteor_tui.model.topology import Topology, chain, levels, topology_of

HERE = Path(__file__).parents[3] / "specs"


@pytest.fixture
def run_folder(private: Path) -> Path:
    folder = private / "run" / "r1"
    folder.mkdir()
    (folder / "spec.kv").write_bytes(load_text(private, PLAN))
    return folder


def load_text(folder: Path, plan: str) -> bytes:
    path = folder / "made.plan.kv"
    path.write_text(plan)
    return load(path).canonical


def looked(board: SpecBoard, folder: Path) -> SpecFacts:
    board.run_folder = folder
    return board.look()


def test_a_saved_file_shows_what_changed_and_its_problems_at_the_next_look(
    private: Path, run_folder: Path
) -> None:
    file = private / "made.plan.kv"
    board = SpecBoard(file)
    facts = looked(board, run_folder)
    assert facts.a is not None and facts.b is not None and facts.a.spec_hash == facts.b.spec_hash
    assert facts.diff == () and board.look() is facts, "nothing is read while nothing changes"
    file.write_text(PLAN.replace("zscore:120,4.0", "zscore:60,4.0"))
    facts = board.look()
    assert [(one.op, one.path) for one in facts.changes] == [("changed", "stages.detect.key")]
    assert {line.op for line in facts.diff} == {"@", " ", "-", "+"} and facts.hunks == 1
    file.write_text(PLAN.replace("stages.1.depends_on.0=parse", "stages.1.depends_on.0=nobody"))
    os.utime(file, ns=(1, 1))
    facts = board.look()
    assert facts.problems and facts.a is not None
    file.unlink()
    assert board.look().problems


def test_gained_capabilities_are_told(private: Path, run_folder: Path) -> None:
    file = private / "more.plan.kv"
    file.write_text(PLAN.replace('json_append:"site":"demo"', "http_post:https://a.example/x"))
    facts = looked(SpecBoard(file), run_folder)
    assert facts.gained == ("http_post:https://a.example",)


def test_the_asked_spec_is_found_by_hash_or_not_at_all(private: Path, run_folder: Path) -> None:
    file = private / "more.plan.kv"
    file.write_text(PLAN.replace("zscore:120,4.0", "zscore:60,4.0"))
    board = SpecBoard(file)
    board.asked = load(file).spec_hash
    facts = looked(board, run_folder)
    assert facts.asked is not None and facts.asked.path == str(file) and facts.asked.diff
    board.asked = "sha256:" + "0" * 64
    facts = board.look()
    assert facts.asked is not None and facts.asked.path == ""


def test_a_request_is_compared_with_what_runs_whatever_was_compared_before(
    private: Path, run_folder: Path
) -> None:
    file, asked = private / "host.plan.kv", private / "asked.plan.kv"
    file.write_text(PLAN.replace("zscore:120,4.0", "zscore:60,4.0"))
    asked.write_text(PLAN.replace("zscore:120,4.0", "zscore:7,4.0"))
    board = SpecBoard(asked)
    board.right = file
    before = looked(board, run_folder)
    board.request = "sha256:" + "0" * 64
    assert board.look().b is None, "it lies nowhere that anybody looks"
    board.request = load(asked).spec_hash
    facts = board.look()
    assert facts.a is not None and facts.b is not None and before.a is not None
    assert (facts.a.label, facts.a.spec_hash) == ("running", before.a.spec_hash)
    assert (facts.b.label, facts.b.spec_hash) == ("asked", board.request) and facts.request == board.request
    assert board.look() is facts, "nothing is read while nothing changes"
    asked.write_text(PLAN.replace("zscore:120,4.0", "zscore:9,4.0"))
    assert board.look().b is None, "the file is another spec now"
    board.request = ""
    assert board.look() is before


def test_a_request_where_nothing_runs_is_all_new(private: Path) -> None:
    file = private / "host.plan.kv"
    file.write_text(PLAN)
    board = SpecBoard(file)
    board.request = load(file).spec_hash
    facts = board.look()
    assert facts.a is None and facts.b is not None
    assert {line.op for line in facts.diff} == {"@", "+"}


def test_hunks_are_numbered_and_keep_two_lines_around() -> None:
    old = tuple(f"line {number}" for number in range(30))
    new = (*old[:5], "other", *old[6:20], "more", *old[20:])
    found = diff_lines(old, new)
    assert [line.hunk for line in found if line.op == "@"] == [0, 1]
    assert [line.text for line in found if line.op == "+"] == ["other", "more"]
    assert sum(line.op == " " for line in found if line.hunk == 0) == 4


@pytest.mark.parametrize("path", sorted(HERE.glob("*.plan.kv")), ids=lambda path: path.stem)
@pytest.mark.parametrize("width", [30, 80, 200])
def test_every_example_is_drawn_with_all_its_nodes_or_says_that_it_goes_on(path: Path, width: int) -> None:
    topology = topology_of(load(path).spec)
    nodes = {name for edge in topology.edges for name in (edge.source, edge.target)}
    drawn = chain(topology, width, 6, dict.fromkeys(nodes, "12.3k"))
    assert all(sum(len(text) for text, _ in line) <= width for line in drawn if len(drawn) > 1)
    said = {name for line in drawn for _, name in line}
    assert nodes <= said or width == 30


def test_levels_are_the_longest_way_from_a_start() -> None:
    topology = topology_of(load(HERE / "diamond.plan.kv").spec)
    assert levels(topology) == [["ingress"], ["parse"], ["sum", "pass"], ["mark"], ["egress"]]
    assert topology.before("mark") == ("sum", "pass") and topology.after("ingress") == ("parse",)
    assert chain(Topology(), 80, 6) == []
