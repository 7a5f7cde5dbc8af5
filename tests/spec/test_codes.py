"""Every code is triggered alone by its example, and its near miss is right."""

from __future__ import annotations

import pytest

from byteor.spec import CompileReport, check_document, read_document
from byteor.spec.codes import CATEGORIES, CODES
from byteor.spec.explain_examples import EXAMPLES, Edits, Example, text

# Codes about files, not text (see test_files.py), and the one that a thousand others bring about.
OF_FILES = {"E_NOT_FOUND", "E_FILE", "E_FILE_SIZE", "E_CHANGED", "E_TOO_MANY_FINDINGS"}


def check(example: Example, edits: Edits, raw: str) -> CompileReport:
    data = text(example.base, edits, raw).encode()
    return check_document(read_document(data, format=example.format, strict=example.strict))


def codes(report: CompileReport) -> set[str]:
    return {finding.code for finding in report.plan_diagnostics}


def test_every_code_has_an_example() -> None:
    assert EXAMPLES.keys() | OF_FILES == CODES.keys()
    assert {row.category for row in CODES.values()} == set(CATEGORIES)


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_wrong_example_breaks_this_rule_and_no_other(code: str) -> None:
    example = EXAMPLES[code]
    report = check(example, example.bad, example.raw)
    assert codes(report) == {code, *example.also}
    assert report.ok == code.startswith("W_")


@pytest.mark.parametrize("code", [code for code in EXAMPLES if code not in ("E_SYNTAX", "E_FORMAT")])
def test_the_right_example_breaks_no_rule(code: str) -> None:
    example = EXAMPLES[code]
    report = check(example, example.good, example.good_raw)
    assert [finding.message for finding in report.plan_diagnostics] == []
    assert report.ok


@pytest.mark.parametrize("code", [c for c in EXAMPLES if c != "E_FORMAT"])
def test_every_finding_says_where_and_what_to_do(code: str) -> None:
    example = EXAMPLES[code]
    for finding in check(example, example.bad, example.raw).plan_diagnostics:
        assert finding.where.line is not None and finding.where.column is not None
        assert finding.category == CODES[code].category
        assert finding.hint


def test_a_stage_that_depends_on_itself_is_a_self_dependency() -> None:
    data = text(EXAMPLES["E_DEP_RANGE"].base, {"single_ring.stages.1.depends_on.0": "1"}).encode()
    found = check_document(read_document(data)).plan_diagnostics
    assert [(finding.code, finding.category) for finding in found] == [("E_DEP_RANGE", "SelfDependency")]
