"""exec: no shell, little environment, bounded time and output, nothing left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from byteor.actions import run_program
from byteor.actions.run_program import RunProgram
from byteor.errors import ByteorError
from byteor.governance.allow_list import AllowList


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def make(text: str, mode: int = 0o755) -> str:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return str(path)

    return make


def refused(call: Any, *args: Any) -> ByteorError:
    with pytest.raises(ByteorError) as caught:
        call(*args)
    return caught.value


def attempt(program: str, *arguments: str, message: bytes = b"hello") -> Any:
    return RunProgram((program, *arguments)).attempt(message, "sha256:00")


def test_the_program_reads_the_message_and_gets_its_arguments_as_they_are(
    script: Any, governed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTEOR_TEST_SECRET", "canary")
    out = tmp_path / "out"
    program = script(f'cat >> {out}; echo "|$#|$1|$2|" >> {out}; env >> {out}; pwd >> {out}')
    governed.decide(f"exec:{program}")
    assert governed.do(f"exec:{program}|$(id)|a;b", b"hello") == [b"hello"]
    text = out.read_text()
    assert text.startswith("hello|2|$(id)|a;b|\n")
    assert text.endswith("\n/\n")
    names = {line.partition("=")[0] for line in text.splitlines()[1:-1]}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        "PATH", "LANG", "BYTEOR_RUN_ID", "BYTEOR_IDEMPOTENCY_KEY",
    }  # fmt: skip
    assert governed.actions() == ["effect_intended", "effect_done"]


def test_a_program_that_is_not_listed_never_runs(script: Any, governed: Any, tmp_path: Path) -> None:
    program = script(f"touch {tmp_path}/ran")
    governed.decide(f"exec:{program}", allowed=AllowList())
    assert refused(governed.do, f"exec:{program}", b"x").code == "E_ACTION_NOT_LISTED"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("mode", [0o644, 0o757])
def test_a_program_that_cannot_run_or_that_all_can_rewrite_is_refused(
    script: Any, governed: Any, mode: int
) -> None:
    program = script("exit 0", mode)
    governed.decide(f"exec:{program}")
    assert refused(governed.do, f"exec:{program}", b"x").code == "E_ACTION_NOT_LISTED"


@pytest.mark.parametrize(
    ("text", "result", "again"),
    [("exit 0", "done", False), ("exit 75", "failed", True), ("exit 3", "unknown", False),
     ("kill -9 $$", "unknown", False)],
)  # fmt: skip
def test_the_exit_code_is_the_answer(script: Any, text: str, result: str, again: bool) -> None:
    found = attempt(script(text))
    assert (found.result, found.again) == (result, again)


def test_a_program_that_is_not_there_has_done_nothing() -> None:
    assert attempt("/nowhere/program").result == "failed"


def test_time_ends_the_program_and_what_it_started(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_program, "ATTEMPT_S", 0.3)
    program = script(f"sleep 60 & echo $! > {tmp_path}/child; sleep 60")
    began = time.monotonic()
    found = attempt(program)
    assert (found.result, found.again) == ("unknown", False)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        try:
            if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
                break
        except FileNotFoundError:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        raise AssertionError("its child lived on")


def test_output_is_bounded_and_only_its_digest_is_kept(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_program, "MAX_OUTPUT_BYTES", 1 << 16)
    found = attempt(script("yes secret"))
    assert found.result == "unknown"
    assert "it wrote over 65,536 bytes" in found.detail
    assert "secret" not in attempt(script("echo secret; exit 1")).detail


def test_a_large_message_and_a_program_that_reads_nothing(script: Any) -> None:
    big = bytes(3 << 20)
    assert attempt(script("exit 0"), message=big).result == "done"
    found = attempt(script("wc -c"), message=big)
    assert found.result == "done"
