"""byteor config show: what is set and by whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from byteor.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "BYTEOR_STATE_DIR",
        "BYTEOR_RUNTIME_DIR",
        "BYTEOR_SHM_DIR",
        "BYTEOR_KERNEL",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[object, str]]:
    document = json.loads(capsys.readouterr().out)
    return {row["key"]: (row["value"], row["origin"]) for row in document["settings"]}


def test_defaults_are_told_as_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--json"]) == 0
    assert shown(capsys)["profile"] == ("default", "default")


def test_each_value_names_its_origin(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "byteor.toml").write_text('[settings]\nwait = "spin"\n')
    monkeypatch.setenv("BYTEOR_KERNEL", "pure")
    assert main(["config", "show", "--json"]) == 0
    found = shown(capsys)
    assert found["wait"] == ("spin", f"{home / 'byteor.toml'}:2")
    assert found["kernel"] == ("pure", "BYTEOR_KERNEL")
    assert main(["config", "show", "--origin"]) == 0
    assert f"{home / 'byteor.toml'}:2" in capsys.readouterr().out


def test_every_wrong_setting_is_told_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "byteor.toml").write_text('[settings]\nwait = "sleep"\ndrain_timeout_s = -1\n')
    assert main(["config", "show"]) == 2
    error = capsys.readouterr().err
    assert "wait" in error
    assert "drain_timeout_s" in error
