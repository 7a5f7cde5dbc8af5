"""console.toml: keys and theme, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from byteor.errors import ByteorError
from byteor_tui.actions.page import keys_page
from byteor_tui.actions.registry import ACTIONS
from byteor_tui.cli import main
from byteor_tui.config import read_config

DOCS = Path(__file__).parents[2] / "docs"


def test_keys_and_theme_are_read(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_text('[keys]\nsnapshot = "S"\nfilter = ["/", "f5"]\n[theme]\nname = "byteor-light"\n')
    assert read_config(path) == ({"snapshot": ("S",), "filter": ("slash", "f5")}, "byteor-light")


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[keys]\nsnapshoot = 's'", "keys.snapshoot", "snapshot"),
        ("[kyes]\n", "kyes", "keys"),
        ("[keys]\nsnapshot = 'i'", "keys", "both"),
        ("[keys]\nsnapshot = 7", "keys.snapshot", ""),
        ("[keys]\nsnapshot = []", "keys.snapshot", ""),
        ("[keys]\nsign = 'a'", "keys.sign", "upper"),
        ("[theme]\nname = 'pink'", "theme.name", "byteor-dark"),
        ("keys = 3", "keys", "table"),
        ("[keys\n", "", ""),
    ],
)
def test_a_wrong_file_is_told_with_its_key_and_the_nearest_name(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    path = tmp_path / "console.toml"
    path.write_text(text)
    with pytest.raises(ByteorError) as caught:
        read_config(path)
    error = caught.value
    assert error.code == "E_CONSOLE_CONFIG" and error.exit == 3 and error.where is not None
    assert error.where.file == str(path) and (error.where.key or "") == key
    assert hint in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("name", "hint"), [("pink", "byteor-dark"), ("byteor-lite", "did you mean byteor-light")]
)
def test_a_theme_of_the_environment_that_is_none_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    hint: str,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("BYTEOR_THEME", name)
    assert main(["--plain"]) == 3
    said = capfd.readouterr().err
    assert "E_CONSOLE_CONFIG" in said and "BYTEOR_THEME" in said and name in said and hint in said


def test_the_page_of_keys_is_made_from_the_registry() -> None:
    assert (DOCS / "console-keys.md").read_text() == keys_page()
    assert all(f"| {act.id} |" in keys_page() for act in ACTIONS)
