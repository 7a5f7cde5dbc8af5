"""The example plans are right, run with stages of this build, and look as they did (golden files).

After a wanted change: ``BYTEOR_UPDATE_GOLDEN=1 pytest tests/spec/test_examples.py``, then read what differs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from byteor.runtime.stages.catalogue import resolve
from byteor.spec import check_document, read_document
from byteor.spec.describe import describe, describe_text
from byteor.spec.dot import dot
from byteor.spec.needs import needs

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/data/spec/golden"
EXAMPLES = sorted((ROOT / "specs").glob("*.kv"))
NAMES = [path.name.partition(".")[0] for path in EXAMPLES]


def same_as_golden(path: Path, text: str) -> None:
    if os.environ.get("BYTEOR_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def test_there_are_examples_of_every_sort() -> None:
    wanted = "host-telemetry order-gateway log-redaction sensor-fusion sharded-orders"
    assert set(wanted.split()) | {"ab-shadow", "alerting", "journal-tap"} <= set(NAMES)


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_right_and_says_what_it_shows(path: Path) -> None:
    report = check_document(read_document(path, strict=True))
    assert report.ok and report.plan_diagnostics == ()
    assert path.read_text().startswith("# Shows: ")
    assert report.required().name == path.name.partition(".")[0]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_every_stage_of_an_example_is_in_this_build_or_acts(path: Path) -> None:
    for one in needs(check_document(read_document(path)).required().spec):
        if one["capability"] is None:
            assert resolve(one["key"])


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_description_and_graph_are_as_they_were(path: Path) -> None:
    report = check_document(read_document(path))
    text = describe_text(report)
    name = path.name.partition(".")[0]
    same_as_golden(GOLDEN / f"{name}.txt", text)
    same_as_golden(GOLDEN / f"{name}.dot", dot(report.required()))
    assert text.isascii()


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_a_description_has_the_facts_that_scripts_rely_on(path: Path) -> None:
    report = check_document(read_document(path))
    facts = describe(report)
    wanted = {"stages"} if facts["model"] == "single_ring" else {"lanes", "roles", "endpoints"}
    assert {"name", "model", "spec_hash", "capabilities", "memory_bytes", "warnings"} | wanted <= facts.keys()
    assert facts["spec_hash"] in dot(report.required())
    assert facts["spec_hash"] in describe_text(report)


def test_a_thousand_stages_in_a_row_fit_a_description() -> None:
    from byteor.spec.build import lane_graph

    built = lane_graph("long").lane("l0").ingress("in", "l0")
    for number in range(300):
        built = built.lane(f"l{number + 1}").stage(
            f"s{number}", "identity", rx=f"l{number}", tx=f"l{number + 1}"
        )
    valid = built.egress("out", "l300").build()
    text = describe_text(check_document(read_document(valid.canonical)))
    assert max(map(len, text.splitlines())) < 120
    assert "301 events" in text
