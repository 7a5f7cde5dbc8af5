"""console.toml: keys and theme, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from byteor.errors import ByteorError
from byteor_tui.actions.page import keys_page
from byteor_tui.actions.registry import ACTIONS
from byteor_tui.cli import main, parser
from byteor_tui.config import read_config, session_of
from byteor_tui.model.session import Session

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


def session(*args: str, **environ: str) -> Session:
    return session_of(parser().parse_args(list(args)), {"XDG_CONFIG_HOME": "/nowhere", **environ})


def test_a_key_is_a_pair_by_options_by_variables_or_by_one_of_each() -> None:
    alice = (("alice-1", "a.pem"),)
    assert session("--kid=alice-1", "--key-file=a.pem").identities == alice
    assert session(BYTEOR_KID="alice-1", BYTEOR_KEY_FILE="a.pem").identities == alice
    assert session("--kid=alice-1", BYTEOR_KID="bob-1", BYTEOR_KEY_FILE="a.pem").identities == alice
    assert session() == session(BYTEOR_KID="", BYTEOR_KEY_FILE="") and session().half == ""


@pytest.mark.parametrize(
    ("name", "other"), [("BYTEOR_KID", "BYTEOR_KEY_FILE"), ("BYTEOR_KEY_FILE", "BYTEOR_KID")]
)
def test_half_a_key_in_the_environment_is_told_and_keeps_nobody_from_watching(name: str, other: str) -> None:
    found = session(**{name: "x"})
    assert found.identities == ()
    assert found.half == (
        f"{name} is set and {other} is not: nothing can be signed here; set both, or unset {name}"
    )


@pytest.mark.parametrize(("option", "other"), [("--kid", "--key-file"), ("--key-file", "--kid")])
def test_half_a_key_as_an_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], option: str, other: str
) -> None:
    for name in ("BYTEOR_KID", "BYTEOR_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["--plain", option, "x"]) == 2
    said = capfd.readouterr().err
    assert "E_USAGE" in said and f"{option} without {other}" in said and "BYTEOR_KID" in said


def test_the_page_of_keys_is_made_from_the_registry() -> None:
    assert (DOCS / "console-keys.md").read_text() == keys_page()
    assert all(f"| {act.id} |" in keys_page() for act in ACTIONS)
