"""Settings files are in force for a command and for what it starts; a variable is stronger."""

from __future__ import annotations

from pathlib import Path

from home import Home

RUN = ("--source", "generate:3,16", "--sink", "null:")


def with_file(home: Home, text: str) -> Path:
    path = home.root / "elsewhere.toml"
    path.write_text(text)
    return path


def test_a_config_file_says_where_runs_and_the_log_lie(home: Home) -> None:
    for name in ("BYTEOR_RUNTIME_DIR", "BYTEOR_STATE_DIR"):
        del home.env[name]
    run, state = home.root / "r2", home.root / "s2"
    config = with_file(home, f'[settings]\nruntime_dir = "{run}"\nstate_dir = "{state}"\nwait = "block"\n')
    done = home.byteor("--config", config, "run", home.spec(("a", "identity")), *RUN)
    assert done.returncode == 0, done.stderr
    assert (state / "audit.db").exists()
    assert [path for path in run.iterdir() if path.name.startswith("pipe-")]


def test_a_variable_is_stronger_than_a_file(home: Home) -> None:
    config = with_file(home, f'[settings]\nruntime_dir = "{home.root / "r2"}"\n')
    assert home.byteor("--config", config, "run", home.spec(("a", "identity")), *RUN).returncode == 0
    assert not (home.root / "r2").exists()


def test_every_wrong_setting_is_told_with_its_line(home: Home) -> None:
    config = with_file(home, '[settings]\nwait = "dance"\ndrain_timeout_s = -1\n')
    done = home.byteor("--config", config, "ps")
    assert done.returncode == 2
    assert f"{config}:2" in done.stderr
    assert f"{config}:3" in done.stderr
