"""`byteor explain` tells every stable code of the project, and what it shows is so."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from byteor.cli.codes import explain_row, rows
from byteor.cli.codes.__main__ import page
from byteor.cli.explain import command
from byteor.indexbus.errors import CODES as TRANSPORT
from byteor.spec.codes import CODES
from byteor.spec.explain import explain

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"\b[EW]_[A-Z]+(?:_[A-Z]+)*\b")
SOURCES = [
    path
    for root in ("byteor", "store/byteor_store", "tui/byteor_tui")
    for pattern in ("*.py", "*.c", "*.h")
    for path in (ROOT / root).rglob(pattern)
    if path.relative_to(ROOT).parts[:3] != ("byteor", "cli", "codes")
]
ROWS = rows()
TOLD = {row.code for row in ROWS} | CODES.keys()


def codes_in(path: Path) -> set[str]:
    """The codes that stand in strings of ``path`` (documentation too)."""
    text = path.read_text()
    if path.suffix != ".py":
        return set(CODE.findall(text))
    strings = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {code for string in strings for code in CODE.findall(string)}


def test_every_code_in_the_tree_is_told_and_no_other() -> None:
    found = {code: path for path in SOURCES for code in codes_in(path)}
    untold = {code: str(path.relative_to(ROOT)) for code, path in found.items() if code not in TOLD}
    assert untold == {}
    assert TOLD - found.keys() == set()
    assert len(found) > 150


def test_the_search_sees_codes_in_code_words_and_c() -> None:
    assert "E_STAGE_RESULT" in codes_in(ROOT / "byteor/runtime/stage_loop.py")
    assert "E_DRAIN_TIMEOUT" in codes_in(ROOT / "byteor/cli/run_report.py")
    assert "E_RUN" not in codes_in(ROOT / "byteor/runtime/errors.py")  # "E_RUN_*" is no code
    assert any("E_CORRUPT" in codes_in(path) for path in SOURCES if path.suffix == ".c")


def test_every_row_says_all_and_stands_once_in_its_layer() -> None:
    for row in ROWS:
        assert all(row), row
        assert row.wrong != row.right, row
        assert all(part.isascii() and part.replace("\n", "").isprintable() for part in row), row
    assert Counter((row.layer, row.code) for row in ROWS).most_common(1)[0][1] == 1
    assert {row.code for row in ROWS if row.layer == "transport"} == TRANSPORT.keys()


@pytest.mark.parametrize("code", sorted(TOLD))
def test_a_code_is_told_with_what_to_do_and_both_examples(
    code: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    command(code, json=True)
    document: dict[str, Any] = json.loads(capsysbinary.readouterr().out)
    for one in (document, *document.get("also", [])):
        assert one["code"] == code
        assert all(one[field] for field in ("category", "severity", "rule", "hint", "wrong", "right"))
    command(code, json=False)
    shown = capsysbinary.readouterr().out.decode()
    assert shown.count(f"{code}  (") == 1 + len(document.get("also", []))
    assert {"rule:", "do:", "wrong:", "right:"} <= set(shown.split())


def test_a_code_of_two_layers_is_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    command("E_UNKNOWN_KEY")
    shown = capsys.readouterr().out
    assert "E_UNKNOWN_KEY  (structure, error)" in shown and "E_UNKNOWN_KEY  (governance, error)" in shown


# Command lines among the examples that need no more than a folder with these files.
RUNNABLE = [
    "E_NOT_FOUND",
    "E_FILE",
    "E_FILE_SIZE",
    "E_FORMAT",
    "E_TOO_MANY_FINDINGS",
    "E_REGION_MISSING",
    "E_OVERSIZE",
    "E_EDGE_KIND",
    "E_EDGE_ARGUMENT",
    "E_SOURCE_NOT_FOUND",
    "E_SOURCE_UNREADABLE",
    "E_SINK_NOT_FOUND",
    "E_SINK_UNWRITABLE",
    "E_SINK_WRITE",
    "E_RUN_NAME",
    "E_RUN_NOT_FOUND",
    "E_SAME_FILE",
    "E_ENDPOINT",
    "E_STAGE_MODULE",
    "E_USAGE",
    "E_OS",
    "E_NOT_A_FILE",
    "E_UNSAFE_FOLDER",
    "E_EXISTS",
    "E_HISTORY",
    "E_SETTINGS",
    "E_AUDIT_NOT_FOUND",
    "E_AUDIT_UNREADABLE",
    "E_PROOF",
    "E_ENVIRONMENT_FILE",
    "E_ENVIRONMENT_UNKNOWN",
    "E_KEYSET",
]
# A few of each layer; the campaign runs all.
QUICK = RUNNABLE[::3]
# The right one of these needs a run, a log or keys that are there.
NEEDS_MORE = {"E_RUN_NOT_FOUND", "E_AUDIT_NOT_FOUND", "E_AUDIT_UNREADABLE", "E_PROOF"}
STAGE = "from byteor.runtime.stages import stage\n@stage\ndef mine(message: bytes) -> bytes: return message\n"
RING = "v=1\nmodel=single_ring\nname=demo\nsingle_ring.stages.0.name=a\nsingle_ring.stages.0.key=identity\n"


def run(line: str, folder: Path) -> str:
    """What the shell prints when it runs ``line`` in ``folder``, with a byteor of its own home."""
    line = line.partition(" (")[0]
    program = f'byteor() {{ "{sys.executable}" -m byteor "$@"; }}\n'
    state = {name: str(folder / f"{name.lower()}") for name in ("BYTEOR_RUNTIME_DIR", "BYTEOR_STATE_DIR")}
    environment = {**os.environ, **state, "HOME": str(folder), "BYTEOR_SHM_DIR": str(folder)}
    done = subprocess.run(
        ["bash", "-c", program + line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the examples find the files that they name."""
    (tmp_path / "demo.spec.kv").write_text(RING)
    (tmp_path / "in.log").write_text("hello\n")
    (tmp_path / "mine.py").write_text(STAGE)
    (tmp_path / "notes.txt").write_text("some notes\n")
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    (tmp_path / "byteor.toml").write_text("")
    return tmp_path


def commands(code: str, which: str) -> list[str]:
    """The command lines among the examples of ``code``."""
    found = [explain(code), *(explain_row(row) for row in ROWS if row.code == code)]
    lines = [one[which][-1] for one in found if one is not None]
    return [line for line in lines if not line.startswith(("lane", "consumer", "producer"))]


@pytest.mark.parametrize(
    "code",
    [code if code in QUICK else pytest.param(code, marks=pytest.mark.campaign, id=code) for code in RUNNABLE],
)
def test_the_command_that_is_shown_brings_the_code_about(code: str, folder: Path) -> None:
    assert commands(code, "wrong")
    for line in commands(code, "wrong"):
        assert code in run(line, folder), line


@pytest.mark.campaign
@pytest.mark.parametrize("code", [code for code in RUNNABLE if code not in NEEDS_MORE])
def test_the_command_that_is_right_does_not(code: str, folder: Path) -> None:
    for line in commands(code, "right"):
        assert code not in run(line, folder), line


def test_the_page_of_codes_is_up_to_date() -> None:
    assert (ROOT / "docs/codes.md").read_text() == page(), "run: python -m byteor.cli.codes docs/codes.md"
