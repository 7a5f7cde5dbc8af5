"""Imports point down the layers only, and the headless packages never load a screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each package may import of ours. A package may always import itself.
ALLOWED: dict[str, set[str]] = {
    "byteor.errors": set(),
    "byteor.closing": set(),
    "byteor.atomic": {"byteor.errors"},
    "byteor.state": set(),
    "byteor.indexbus": {"byteor.errors", "byteor.closing"},
    "byteor.spec": {"byteor.errors", "byteor.atomic"},
    "byteor.runtime": {
        "byteor.errors",
        "byteor.closing",
        "byteor.atomic",
        "byteor.indexbus",
        "byteor.spec",
        "byteor._version",
    },
    "byteor.governance": {"byteor.errors", "byteor.atomic", "byteor.state", "byteor.spec"},
    "byteor.actions": {
        "byteor.errors",
        "byteor.atomic",
        "byteor.spec",
        "byteor.governance",
        "byteor.runtime",
        "byteor_store",
        "byteor._version",
    },
    "byteor.incident": {
        "byteor.errors",
        "byteor.closing",
        "byteor.atomic",
        "byteor.indexbus",
        "byteor.spec",
        "byteor.runtime",
        "byteor.governance",
        "byteor._version",
    },
    "byteor.edge": {"byteor.errors", "byteor.atomic", "byteor.indexbus", "byteor.runtime"},
    "byteor_store": {"byteor.errors", "byteor.closing", "byteor.atomic", "byteor.state"},
    "byteor.settings": {"byteor.errors", "byteor.atomic", "byteor.settings_files"},
    "byteor.settings_files": set(),
}
BELOW_THE_TOP = ALLOWED.keys() | {"byteor.acts", "byteor._version"}
SOURCES = sorted(
    path
    for root in ("byteor", "tui/byteor_tui", "store/byteor_store")
    for path in (ROOT / root).rglob("*.py")
)


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts[1:] if relative.parts[0] in ("tui", "store") else relative.parts
    return ".".join(parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that ``path`` imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in ("byteor", "byteor_tui", "byteor_store"))


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_imports_point_down_only(path: Path) -> None:
    name = module_name(path)
    package = next((known for known in ALLOWED if inside(name, known)), None)
    for imported in imports(path):
        if package is not None:
            assert any(inside(imported, allowed) for allowed in ALLOWED[package] | {package}), imported
        elif inside(name, "byteor.acts"):
            assert any(inside(imported, low) for low in BELOW_THE_TOP), imported
        elif inside(name, "byteor.cli"):
            assert not inside(imported, "byteor_tui"), imported
        elif inside(name, "byteor_tui"):
            assert not inside(imported, "byteor.cli"), imported


def test_the_check_sees_real_imports() -> None:
    found = set(imports(ROOT / "byteor/runtime/folders.py"))
    assert "byteor.runtime.errors.RunError" in found
    assert "byteor.atomic.write_file" in found
