"""Standard streams that are closed or full, and the table of verbs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from home import BYTEOR, Home

from byteor.cli.verbs import VERBS

CLI = Path(__file__).resolve().parents[2] / "byteor" / "cli"
HELPERS = {
    "__init__",
    "approval_answer",
    "approval_request",
    "approval_verify",
    "audit_copies",
    "detach_report",
    "emergency",
    "governed",
    "key_variables",
    "main",
    "options",
    "output",
    "root",
    "run_report",
    "run_rows",
    "spec_io",
    "top_table",
    "verbs",
}


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", ["ps --json", "ps", "nonsense", "--version"])
def test_bad_streams_never_bring_a_traceback(home: Home, redirection: str, arguments: str) -> None:
    command = f"{' '.join(BYTEOR)} {arguments} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=home.env, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (2 if arguments == "nonsense" else 0, 69)


def test_a_reader_that_has_had_enough_is_no_error(home: Home) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(  # more than one buffer full, so that it is noticed while the verb is at work
        [*BYTEOR, "policy", "table"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env=home.env,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("group", [[], ["audit"]])
def test_no_verb_prints_the_help_as_people_read_it(home: Home, group: list[str]) -> None:
    done = home.byteor(*group)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: byteor")
    assert max(map(len, done.stderr.splitlines())) <= 80


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_file_name_of_any_bytes_is_told_and_no_terminal_obeys_it(home: Home, more: list[str]) -> None:
    name = os.fsencode(home.root) + b"/\x1b[31m\xff\n.kv"
    command = [*map(os.fsencode, BYTEOR), b"run", name, b"--sink=null:", *map(os.fsencode, more)]
    done = subprocess.run(command, capture_output=True, env=home.env, timeout=60, check=False)
    assert done.returncode == 7
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_source_of_any_name_runs(home: Home) -> None:
    name = os.fsencode(home.root) + b"/\xff\n"
    Path(os.fsdecode(name)).write_text("one\ntwo\n")
    spec = home.spec(("a", "identity"))
    command = [*map(os.fsencode, BYTEOR), b"run", os.fsencode(spec), b"--source", b"file:" + name]
    done = subprocess.run(command, capture_output=True, env=home.env, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"one\ntwo\n")


def test_every_module_of_the_command_line_is_a_verb_or_a_known_helper() -> None:
    modules = {path.stem for path in CLI.glob("*.py")} - HELPERS
    assert modules == {verb.module.rpartition(".")[2] for verb in VERBS}


def test_a_snapshot_never_replaces_a_device_or_a_pipe(home: Home) -> None:
    home.byteor("run", home.spec(("a", "identity")), "--source", "generate:1,8", "--sink", "null:")
    pipe = home.root / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    done = home.byteor("snapshot", "-o", pipe)
    assert (done.returncode, pipe.is_fifo()) == (2, True)
    assert "E_NOT_A_FILE" in done.stderr


NOISY = """
import os
from byteor.runtime.stages import stage

print("noise at import")
os.write(1, b"raw noise at import\\n")

@stage(parameters="TEXT")
def loud(text: str):
    print("noise of the factory")

    def call(message: bytes) -> bytes | None:
        print("noise of a call")
        return message.upper()

    return call

@stage
def says_its_last(message: bytes) -> bytes | None:
    print("last words")
    os._exit(3)
"""


@pytest.mark.parametrize("executor", ["auto", "sp"])
def test_what_a_stage_module_prints_never_reaches_stdout(home: Home, executor: str) -> None:
    module = home.root / "noisy.py"
    module.write_text(NOISY)
    spec = home.spec(("a", "loud:x"))
    done = home.byteor("run", spec, "--stages", module, "--executor", executor, stdin="a\n")
    assert (done.returncode, done.stdout) == (0, "A\n")
    assert {"noise at import", "noise of the factory", "noise of a call"} <= set(done.stderr.splitlines())
    told = home.byteor("stages", "--stages", module, "--json")
    assert json.loads(told.stdout)["schema"] == "byteor.stages/v1"


def test_what_a_stage_prints_is_seen_when_it_prints_it(home: Home) -> None:
    module = home.root / "noisy.py"
    module.write_text(NOISY)
    done = home.byteor("run", home.spec(("a", "says_its_last")), "--stages", module, stdin="a\n")
    assert done.returncode == 11
    assert "last words" in done.stderr.splitlines()


def test_completion_names_verbs_and_says_nothing_else(home: Home) -> None:
    home.env |= {"_BYTEOR_COMPLETE": "complete_bash", "COMP_WORDS": "byteor repl", "COMP_CWORD": "1"}
    done = home.byteor()
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["replay"], "")
