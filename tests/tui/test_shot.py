"""Pictures: sizes, files, and an SVG that needs nothing from elsewhere."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from byteor.errors import ByteorError
from byteor_tui.shot import check_output, parse_size
from byteor_tui.svg import CELL_W, _pieces, picture


@pytest.mark.parametrize("text", ["", "80", "80x", "x24", "9x3", "80x2", "401x10", "80x24x1", "-80x24"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ByteorError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("name", "said"), [("x.png", "a picture ends in"), ("nowhere/x.svg", "there is no folder")]
)
def test_a_file_that_cannot_be_a_picture_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ByteorError, match=said):
        check_output(tmp_path / name)


def test_a_size_is_columns_by_rows() -> None:
    assert parse_size("120x40") == (120, 40)


@given(st.text(alphabet=" aβ漢▁█░─x<&", max_size=30))
def test_pieces_put_together_are_the_text(text: str) -> None:
    assert "".join(piece for _, piece in _pieces(text)) == text


@given(st.lists(st.text(alphabet=" ab漢▂█░─<&>\"'", max_size=12), max_size=6))
def test_any_line_becomes_well_formed_xml_within_its_width(texts: list[str]) -> None:
    strip = Strip([Segment(text, Style(bold=True, color="red", reverse=True)) for text in texts])
    width = max(1, sum(map(cell_len, texts)))
    root = ET.fromstring(picture([strip], width, "#000000", "#ffffff"))
    for node in root:
        right = float(node.get("x", 0)) + float(node.get("width") or node.get("textLength") or 0)
        assert right <= width * CELL_W


def test_a_picture_of_a_real_run_is_written_whole_and_fetches_nothing(private: Path, live: Any) -> None:
    out = private / "overview.svg"
    argv = [sys.executable, "-m", "byteor_tui", "shot", "overview", "--size", "80x24", "--after", "1"]
    done = subprocess.run(
        [*argv, "--run", live.run.run_id, "-o", str(out)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    text = out.read_text()
    said = " ".join(node.text or "" for node in ET.fromstring(text))
    for word in ("LIVE", "host-telemetry", "parse", "annotate", "Needs you"):
        assert word in said
    assert text.count("http") == 1  # the namespace
    assert "url(" not in text and "@font-face" not in text
    assert [path.name for path in private.glob(".*")] == []


def test_text_of_a_moment_that_has_passed_shows_that_moment(private: Path, live: Any) -> None:
    argv = [sys.executable, "-m", "byteor_tui", "shot", "stages", "--run", live.run.run_id, "--after=3.5"]
    out = private / "then.txt"
    done = subprocess.run([*argv, "--at=-2s", "-o", str(out)], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and done.stdout.strip() == str(out), done.stderr
    lines = out.read_text().splitlines()
    assert len(lines) == 40 and all(len(line) <= 120 and "\x1b" not in line for line in lines)
    assert "PAST" in lines[0] and "LIVE" not in lines[0], lines[0]
    assert any("annotate" in line for line in lines)


@pytest.mark.parametrize("moment", ["noon", "25:00"])
def test_a_moment_that_is_none_is_refused_before_anything_is_started(private: Path, moment: str) -> None:
    argv = [sys.executable, "-m", "byteor_tui", "shot", "stages", f"--at={moment}", "-o"]
    done = subprocess.run([*argv, str(private / "x.txt")], capture_output=True, text=True, timeout=90)
    assert done.returncode == 2 and "E_USAGE" in done.stderr and moment in done.stderr
    assert not (private / "x.txt").exists() and not list((private / "run").iterdir())


def test_a_row_that_is_not_there_gets_no_picture_of_another(private: Path, live: Any) -> None:
    made = private / "x.txt"
    argv = [sys.executable, "-m", "byteor_tui", "shot", "stages", "--after=0.5", "-o", str(made)]
    argv += [f"--run={live.run.run_id}", "--item=nobody"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, made.exists()) == (7, False), done.stderr
    assert "error[E_SHOT]: no row 'nobody' on stages" in done.stderr
