"""Rules of the console's house, checked on its source: they are what keeps it cheap and testable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "tui" / "byteor_tui"
SOURCES = sorted(HOUSE.rglob("*.py"))
STYLES = sorted(HOUSE.rglob("*.tcss"))


def name_of(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_pacing_owns_a_timer_and_nobody_uses_a_data_table(path: Path) -> None:
    text = path.read_text()
    if name_of(path) != "pacing.py":
        assert "set_interval" not in text and "auto_refresh" not in text
    assert "DataTable" not in text
    assert "call_from_thread" not in text


@pytest.mark.parametrize("path", [*SOURCES, *STYLES], ids=name_of)
def test_colours_are_named_in_themes_alone(path: Path) -> None:
    if name_of(path) in {"themes.py", "shot.py"}:  # shot: what stands for a terminal's own colours
        return
    assert re.findall(r"#[0-9a-fA-F]{6}\b|\bansi_(?!theme\b)\w+|\brgb\(", path.read_text()) == []


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if name_of(path).startswith(("model/", "actions/"))], ids=name_of
)
def test_model_and_actions_know_no_textual(path: Path) -> None:
    assert not any(name == "textual" or name.startswith("textual.") for name in imported(path))


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if name_of(path).startswith("widgets/")], ids=name_of
)
def test_widgets_know_neither_runtime_nor_store(path: Path) -> None:
    assert not any(
        name.startswith(("byteor.", "byteor_store", "byteor_tui.model")) for name in imported(path)
    )


def test_the_whole_model_loads_without_textual() -> None:
    modules = [
        f"byteor_tui.{name_of(path)[:-3].replace('/', '.')}"
        for path in SOURCES
        if path.parent.name == "model"
    ]
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules!r}];"
        "print('textual' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_no_sheet_gives_rows_what_they_do_not_draw(path: Path) -> None:
    """``Toned.render_lines`` hands out rows as they are."""
    assert not re.findall(r"\b(?:border|padding|tint|opacity|outline|hatch)[\w-]*:", path.read_text())


def test_every_stylesheet_travels_with_the_package() -> None:
    setup = (HOUSE.parents[1] / "setup.py").read_text()
    assert "*.tcss" in setup
    for path in STYLES:
        assert (path.parent / "__init__.py").exists(), path
