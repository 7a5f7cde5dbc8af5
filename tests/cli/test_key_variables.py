"""A key that stands in variables, or is named by half: no verb takes it, and each says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import Terminal

SPEC = Path(__file__).parents[2] / "specs" / "alerting.plan.kv"
VARIABLES = ("BYTEOR_KID", "BYTEOR_KEY_FILE")
ASK = ("approval", "request", str(SPEC), "--env", "stage", "--reason", "x")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "words",
    [
        ("approval", "approve", "X", "--digest", "D"),
        ("approval", "approve", "X", "--digest", "D", "--kid", "a"),
        ("approval", "deny", "X", "--digest", "D", "--reason", "x", "--key-file", "a.pem"),
        ("unfreeze", "--env", "stage"),
        (*ASK, "--kid", "a"),
        ("approval", "review", "X", "--note", "x", "--key-file", "a.pem"),
    ],
)
def test_a_verb_that_signs_wants_both_options_and_says_that_it_reads_no_variable(
    team: Terminal, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    code, told = team.run(*words)
    assert (code, told["code"]) == (2, "E_USAGE")
    assert "--kid KID --key-file PEM" in told["hint"] and "BYTEOR" not in told["hint"]
    monkeypatch.setenv("BYTEOR_KID", "alice-1")
    assert "BYTEOR_KID is read by byteor-console alone" in team.run(*words)[1]["hint"]
    monkeypatch.setenv("BYTEOR_KEY_FILE", "alice.pem")
    assert "BYTEOR_KID and BYTEOR_KEY_FILE are read by byteor-console alone" in team.run(*words)[1]["hint"]


def test_another_option_that_is_missing_is_told_as_ever(team: Terminal) -> None:
    assert team.run("unfreeze", "--kid", "a", "--key-file", "b")[1]["hint"] == "try 'byteor unfreeze -h'"
    assert "--key-file" not in team.run("key", "generate")[1]["hint"]


def test_who_asks_without_a_signature_though_a_key_stands_in_a_variable_is_told(
    team: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert team.good(*ASK)["signed"] is False and "without a signature" not in "".join(team.seen)
    monkeypatch.setenv("BYTEOR_KEY_FILE", "alice.pem")
    assert team.good(*ASK)["signed"] is False
    assert "asks without a signature: BYTEOR_KEY_FILE is read by byteor-console alone" in team.seen[-1]
