"""The command line without a terminal: help, usage errors, what is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONSOLE = [sys.executable, "-m", "byteor_tui"]


def console(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CONSOLE, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["demo", "-h"], ["shot", "-h"]])
def test_help_and_version_load_neither_textual_nor_the_heavy_libraries(args: list[str]) -> None:
    code = (
        "import sys; from byteor_tui.cli import main; code = main(sys.argv[1:]);"
        "names = {'textual', 'rich', 'pydantic', 'apsw', 'cryptography', 'numpy', 'asyncio'};"
        "heavy = names & set(sys.modules);"
        "print('LOADED', sorted(heavy)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout


def test_no_terminal_and_no_verb_prints_help_and_ends_with_2(private: Path) -> None:
    done = console()
    assert done.returncode == 2 and "usage: byteor-console" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--plain"], 7, "error[E_RUN_NOT_FOUND]: no live run"),
        (["--plain", "--run", "nobody"], 7, "error[E_RUN_NOT_FOUND]: no run 'nobody'"),
        (["--plain", "--env", "dve"], 7, "error[E_ENVIRONMENT_UNKNOWN]: there is no environment `dve`"),
        (["--plain", "--env", "dev"], 7, "error[E_RUN_NOT_FOUND]: no live run"),
        (["--screen", "audit"], 2, "stdin and stdout are no terminal"),
        (["go", "byteor://-/audit"], 2, "stdin and stdout are no terminal"),
        (["go", "http://elsewhere"], 2, "error[E_LINK]: "),
        (["explode"], 2, "error[E_USAGE]: "),
        (["demo", "--seconds", "soon"], 2, "'soon' is not a number of seconds"),
        (["shot", "overview", "-o", "x.png"], 2, "x.png: a picture ends in .svg or .txt"),
        (["shot", "overview", "--size", "9x9", "-o", "x.svg"], 2, "'9x9' is not a size"),
    ],
)
def test_errors_are_a_code_and_a_sentence(private: Path, args: list[str], code: int, said: str) -> None:
    done = console(*args)
    assert done.returncode == code, done.stderr
    assert (
        said in done.stderr
        and "usage: " not in done.stderr
        and "Traceback" not in done.stderr
        and done.stdout == ""
    )


def test_errors_with_json_are_one_document_on_stdout(private: Path) -> None:
    done = console("demo", "--json", "--seconds=-1")
    document = json.loads(done.stdout)
    assert (document["schema"], document["ok"], document["code"]) == ("byteor.error/v1", False, "E_USAGE")
    assert done.returncode == 2 and done.stderr == ""


@pytest.mark.parametrize("streams", [">/dev/full", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("args", "codes"), [("demo --json --seconds=-1", (2,)), ("", (2,)), ("keys", (0, 69))]
)
def test_closed_or_full_streams_bring_no_traceback(
    private: Path, streams: str, args: str, codes: tuple[int, ...]
) -> None:
    command = f"{' '.join(CONSOLE)} {args} {streams}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode in codes
    assert "Traceback" not in done.stderr and "E_INTERNAL" not in done.stderr


def test_a_runtime_folder_that_others_can_write_is_refused_in_words(private: Path) -> None:
    (private / "run").chmod(0o777)
    done = console("--plain")
    assert done.returncode == 69 and "E_UNSAFE_FOLDER" in done.stderr and "Traceback" not in done.stderr


def test_the_demo_carries_the_plan_that_the_repository_shows() -> None:
    from byteor_tui.demo_plan import PLAN

    assert (Path(__file__).parents[2] / "specs" / "host-telemetry.plan.kv").read_text() == PLAN
