"""Settings: every layer over the next, every problem at once, every origin told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from byteor.errors import Exit
from byteor.settings import Settings, SettingsError, load

LAYERS = ["default", "user", "upward", "config", "environment", "flag"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config/byteor").mkdir(parents=True)
    (tmp_path / "project/deep").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("top", range(len(LAYERS)))
def test_each_layer_wins_over_those_below_it(home: Path, top: int) -> None:
    present = LAYERS[: top + 1]
    for number, (layer, path) in enumerate(
        [
            ("user", home / ".config/byteor/byteor.toml"),
            ("upward", home / "project/byteor.toml"),
            ("config", home / "named.toml"),
        ],
        start=1,
    ):
        if layer in present:
            path.write_text(f"\n[settings]\ndrain_timeout_s = {number}\n")
    environ = {"HOME": str(home)} | ({"BYTEOR_DRAIN_TIMEOUT_S": "4"} if "environment" in present else {})
    loaded = load(
        {"drain_timeout_s": 5.5} if "flag" in present else {},
        environ=environ,
        config=home / "named.toml" if "config" in present else None,
        cwd=home / "project/deep",
    )
    assert loaded.settings.drain_timeout_s == [5.0, 1.0, 2.0, 3.0, 4.0, 5.5][top]
    origin = [
        "default",
        f"{home}/.config/byteor/byteor.toml:3",
        f"{home}/project/byteor.toml:3",
        f"{home}/named.toml:3",
        "BYTEOR_DRAIN_TIMEOUT_S",
        "flag --drain-timeout-s",
    ][top]
    assert loaded.origins["drain_timeout_s"] == origin
    assert loaded.origins["wait"] == "default"


def test_every_problem_is_told_at_once_with_its_place(home: Path) -> None:
    path = home / "project/byteor.toml"
    path.write_text('org_id = "Not An Id"\nkernel = "native"\n[settings]\nwiat = "spin"\nwait = "sleep"\n')
    with pytest.raises(SettingsError) as caught:
        load(environ={"HOME": str(home), "BYTEOR_DRAIN_TIMEOUT_S": "-1"}, cwd=home / "project")
    assert caught.value.exit == Exit.USAGE
    told = {(problem.key, problem.origin) for problem in caught.value.problems}
    assert told == {
        ("org_id", f"{path}:1"),
        ("kernel", f"{path}:2"),
        ("wiat", f"{path}:4"),
        ("wait", f"{path}:5"),
        ("drain_timeout_s", "BYTEOR_DRAIN_TIMEOUT_S"),
    }
    assert "did you mean wait?" in caught.value.message
    assert "belongs under [settings]" in caught.value.message


def test_a_wrong_value_below_a_right_one_is_told_too(home: Path) -> None:
    (home / "project/byteor.toml").write_text('[settings]\nwait = "sleep"\n')
    with pytest.raises(SettingsError):
        load({"wait": "spin"}, environ={"HOME": str(home)}, cwd=home / "project")


def test_environment_tables_are_left_to_their_reader(home: Path) -> None:
    (home / "project/byteor.toml").write_text('org_id = "acme"\n[environments.prod]\nposture = "prod"\n')
    loaded = load(environ={"HOME": str(home)}, cwd=home / "project")
    assert loaded.settings == Settings(org_id="acme")


@pytest.mark.parametrize("text", [b"not toml at all", b"\xff\xfe", b"[settings\n"])
def test_a_file_that_cannot_be_read_is_a_problem_and_no_traceback(home: Path, text: bytes) -> None:
    (home / "named.toml").write_bytes(text)
    with pytest.raises(SettingsError):
        load(environ={"HOME": str(home)}, config=home / "named.toml", cwd=home)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to itself", "endless"])
def test_what_is_no_settings_file_is_told_and_never_waited_for(home: Path, kind: str) -> None:
    path = home / "byteor.toml"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path, 0o600)
        case "link to itself":
            path.symlink_to(path)
        case "endless":
            path.symlink_to("/dev/zero")
    with pytest.raises(SettingsError) as caught:
        load(environ={}, cwd=home)
    assert [problem.origin for problem in caught.value.problems] == [str(path)]


def test_a_named_file_may_be_a_pipe_but_not_endless(home: Path) -> None:
    with pytest.raises(SettingsError, match="over 1 MiB"):
        load(environ={}, cwd=home, config=Path("/dev/zero"))


def test_a_named_file_must_exist(home: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(environ={"HOME": str(home)}, config=home / "none.toml", cwd=home)


def test_a_found_file_that_anybody_could_have_written_is_refused(home: Path) -> None:
    path = home / "project/byteor.toml"
    path.write_text('[settings]\nstate_dir = "/tmp/theirs"\n')
    path.chmod(0o666)
    with pytest.raises(SettingsError, match="another user"):
        load(environ={"HOME": str(home)}, cwd=home / "project")
    assert load(environ={"HOME": str(home)}, config=path, cwd=home).origins["state_dir"] == f"{path}:2"
