"""The decision table against 432 rows that other code wrote down, and against everything that is no row."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.governance.policy import RULES, Inputs, all_inputs, decide

TABLE = Path(__file__).parents[1] / "data" / "governance" / "policy_table.csv"


def golden() -> dict[Inputs, tuple[str, str]]:
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))
    flag = {"yes": True, "no": False}
    return {
        Inputs(
            row["posture"],
            row["replay_policy"],
            row["side_effect_policy"],
            *(flag[row[name]] for name in ("side_effecting", "dry_run", "approved", "replay")),
        ): (row["decision"], row["rule"])
        for row in rows
    }


def test_every_one_of_432_rows_is_decided_as_written_down() -> None:
    table = golden()
    assert len(table) == 432
    assert {inputs: (decide(inputs).decision, decide(inputs).rule) for inputs in all_inputs()} == table


def test_all_inputs_are_432_different_ones() -> None:
    assert len(set(all_inputs())) == len(all_inputs()) == 432


def test_rules_are_numbered_and_every_rule_decides_something() -> None:
    assert [rule.number for rule in RULES] == list(range(1, 9))
    assert {decide(inputs).rule for inputs in all_inputs()} == {rule.rule_id for rule in RULES}


GOOD = Inputs("dev", "allowed", "allow_all", True, False, True, False)


@pytest.mark.parametrize("field", Inputs.__struct_fields__)
@pytest.mark.parametrize(
    "value", ["", "PROD", "prod ", "unknown", None, 0, 1, 1.0, "true", (), [], {}, float("nan")]
)
def test_a_value_that_the_table_does_not_know_is_denied(field: str, value: object) -> None:
    found = decide(msgspec.structs.replace(GOOD, **{field: value}))
    assert (found.decision, found.rule) == ("Deny", "fail-closed")


def test_the_good_inputs_of_that_test_are_allowed() -> None:
    assert decide(GOOD).decision == "Allow"


def test_an_error_inside_a_rule_is_denied() -> None:
    class Hostile(str):
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = str.__hash__

    found = decide(msgspec.structs.replace(GOOD, side_effect_policy=Hostile("allow_all")))
    assert (found.decision, found.rule) == ("Deny", "fail-closed")


def test_what_is_no_inputs_at_all_is_denied() -> None:
    assert decide(None).decision == "Deny"  # type: ignore[arg-type]


WORDS = [
    "dev",
    "staging",
    "prod",
    "disabled",
    "dry_run_only",
    "allowed",
    "deny_all",
    "allow_all",
    "require_approval",
]
ODD = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(WORDS))


@settings(deadline=None)
@given(st.tuples(*[ODD] * 7))
def test_nothing_outside_the_table_is_ever_allowed(values: tuple[object, ...]) -> None:
    inputs = Inputs(*values)  # type: ignore[arg-type]
    found = decide(inputs)
    known = TYPED.get(tuple((type(value), value) for value in values))
    assert (found.decision, found.rule) == (known or ("Deny", "fail-closed"))


TYPED = {tuple((type(v), v) for v in msgspec.structs.astuple(i)): answer for i, answer in golden().items()}


def test_dry_run_never_lets_an_effect_through() -> None:
    for inputs in all_inputs():
        if inputs.dry_run and inputs.side_effecting:
            assert decide(inputs).decision in ("Deny", "DryRunOnly")
