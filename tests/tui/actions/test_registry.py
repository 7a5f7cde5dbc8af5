"""The table of acts and everything that is made from it."""

from __future__ import annotations

import re

import pytest

from byteor_tui.actions.registry import ACTIONS, Action, Danger, clashes, on_screen
from byteor_tui.acts import HANDLERS
from byteor_tui.screens import MODES
from byteor_tui.screens.help_lines import help_lines
from byteor_tui.tones import span_width

SCREENS = {place: type(maker()) for place, maker in MODES.items() if callable(maker)}
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
        assert hasattr(SCREENS[screen], f"act_{action.id}") or action.id in HANDLERS


def test_no_key_is_one_that_terminals_and_multiplexers_take() -> None:
    for action in ACTIONS:
        for key in action.keys:
            match = re.fullmatch(r"ctrl\+(.)", key)
            assert match is None or match[1] not in TAKEN, key


def test_exactly_four_keys_commit_and_they_mean_nothing_else() -> None:
    assert {key for act in ACTIONS if act.danger is Danger.COMMITS for key in act.keys} == set("ADXF")
    assert not {key for act in ACTIONS if act.danger is not Danger.COMMITS for key in act.keys} & set("ADXF")


def test_a_read_only_console_has_no_key_that_commits() -> None:
    for place in SCREENS:
        assert not [act for act in on_screen(place, read_only=True) if act.danger is Danger.COMMITS]


def test_what_commits_or_prepares_says_its_command_line() -> None:
    assert all(act.verb for act in ACTIONS if act.danger is Danger.COMMITS)


@pytest.mark.parametrize("width", [10, 20, 40, 80, 200])
@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_help_names_every_key_of_a_place_and_fits(screen: str, width: int) -> None:
    lines = help_lines(on_screen(screen), width)
    said = " ".join("".join(text for text, _ in line) for line in lines)
    for action in on_screen(screen):
        assert action.help.split()[0] in said or width < 20
    assert all(span_width(line) <= width for line in lines if width >= 20)
