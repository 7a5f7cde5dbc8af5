"""Running a verb as an operator would."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from byteor.errors import ByteorError, Exit
from byteor_tui.actions import commands
from byteor_tui.actions.verbs import command_line, run_verb, with_option


def test_the_command_line_can_be_pasted_into_a_shell() -> None:
    line = command_line(["snapshot", "a run", "--out=/tmp/it's.json"])
    assert subprocess.run(
        ["bash", "-c", f"printf '%s|' {line}"], capture_output=True, text=True, check=True
    ).stdout == ("byteor|snapshot|a run|--out=/tmp/it's.json|")


@pytest.mark.parametrize("text", ["--kind=handover", "-h", "--", "plain"])
def test_words_that_look_like_an_option_are_words(private: Path, text: str) -> None:
    for argv in (commands.mark(text, "", 7), commands.comment(text, "nobody")):
        assert command_line(argv) == shlex.join(["byteor", *argv])
        about = with_option(argv, "--json")
        assert about.index("--json") < len(about) - (text != "plain")
    result = run_verb(commands.mark(text, "", 7))
    assert result.ok and (result.document["kind"], result.document["text"]) == ("mark", text)


def test_a_verb_that_succeeds_hands_back_its_document(private: Path) -> None:
    result = run_verb(["ps"])
    assert result.ok and result.document == {"schema": "byteor.ps/v1", "runs": []}


def test_a_verb_that_is_refused_hands_back_its_error(private: Path) -> None:
    result = run_verb(["snapshot", "nobody"])
    assert not result.ok and result.exit == Exit.NOT_FOUND
    assert result.document["code"] == "E_RUN_NOT_FOUND"


def test_a_verb_that_hangs_is_given_up(private: Path) -> None:
    with pytest.raises(ByteorError) as caught:
        run_verb(["ps"], timeout_s=0.001)
    assert caught.value.code == "E_VERB_TIMEOUT" and caught.value.exit == Exit.TIMEOUT
