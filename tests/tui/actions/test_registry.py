"""The table of acts and everything that is made from it."""

from __future__ import annotations

import re

import pytest

from byteor_tui.actions.registry import ACTIONS, Action, Danger, clashes, on_screen
from byteor_tui.app import ConsoleApp
from byteor_tui.screens.help import help_lines
from byteor_tui.screens.overview import OverviewScreen
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.tones import span_width

SCREENS = {"overview": OverviewScreen, "runs": RunsScreen}
TAKEN = set("abhjkpqsz")


def test_no_key_means_two_things_on_one_screen() -> None:
    assert clashes() == []


def test_a_clash_is_found() -> None:
    assert clashes((*ACTIONS, Action("other", ("s",), "x", "x", screens=("overview",)))) == [
        "s is both snapshot and other on overview"
    ]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_act_has_somebody_who_does_it(action: Action) -> None:
    for screen in action.screens or SCREENS:
        assert hasattr(SCREENS[screen], f"act_{action.id}") or hasattr(ConsoleApp, f"act_{action.id}")


def test_no_key_is_one_that_terminals_and_multiplexers_take() -> None:
    for action in ACTIONS:
        for key in action.keys:
            match = re.fullmatch(r"ctrl\+(.)", key)
            assert match is None or match[1] not in TAKEN, key


def test_upper_case_commit_keys_are_free_until_the_armed_dialog_exists() -> None:
    assert all(action.danger is not Danger.COMMITS for action in ACTIONS)
    assert not {key for action in ACTIONS for key in action.keys} & set("ADXF")


@pytest.mark.parametrize("width", [10, 20, 40, 80, 200])
@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_help_names_every_key_of_a_place_and_fits(screen: str, width: int) -> None:
    lines = help_lines(on_screen(screen), width)
    said = " ".join("".join(text for text, _ in line) for line in lines)
    for action in on_screen(screen):
        assert action.help.split()[0] in said
    assert all(span_width(line) <= width for line in lines if width >= 20)
