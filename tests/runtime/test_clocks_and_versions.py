"""What a step of the wall clock, and a newer byteor beside an older one, do to looking at runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import msgspec
import pytest
from run_folders import run_folder

from byteor.acts.gc import collect
from byteor.errors import Exit
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RUN_JSON, age_ns, list_runs, read_run
from byteor.runtime.process import boot_id

HOUR_NS = 3600 * 10**9


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path))
    return tmp_path / "run"


def begin(
    runtime: Path, name: str, *, started_unix_ns: int, started_ns: int, boot: str | None = None
) -> Path:
    return run_folder(
        runtime,
        name,
        started_unix_ns=started_unix_ns,
        started_ns=started_ns,
        boot_id=boot or boot_id(),
        version="9.9.9",
    )


def test_a_duration_does_not_notice_that_the_wall_clock_was_set(runtime: Path) -> None:
    now, began = time.time_ns(), time.monotonic_ns() - 2 * 10**9
    for step in (-HOUR_NS, 0, HOUR_NS):
        run = begin(runtime, "a", started_unix_ns=now + step, started_ns=began)
        age = age_ns(read_run(run).identity)
        assert 2 * 10**9 <= age < 60 * 10**9


def test_of_another_boot_only_the_wall_clock_is_left(runtime: Path) -> None:
    began = time.time_ns() - HOUR_NS
    run = begin(runtime, "a", started_unix_ns=began, started_ns=1, boot="another")
    assert HOUR_NS <= age_ns(read_run(run).identity) < HOUR_NS + 60 * 10**9


def test_the_newest_run_is_the_newest_also_after_a_step_back(runtime: Path) -> None:
    now, mono = time.time_ns(), time.monotonic_ns()
    begin(runtime, "older", started_unix_ns=now, started_ns=mono - 10 * 10**9)
    begin(runtime, "newer", started_unix_ns=now - HOUR_NS, started_ns=mono - 10**9)
    assert [info.identity.name for info in list_runs()] == ["newer", "older"]


def newer_version(run: Path) -> None:
    document = json.loads((run / RUN_JSON).read_bytes())
    document |= {"v": 2, "something": "new"}
    (run / RUN_JSON).write_bytes(msgspec.json.encode(document))


def test_a_run_of_a_newer_byteor_is_named_as_such_and_never_removed(runtime: Path) -> None:
    run = begin(runtime, "new", started_unix_ns=1, started_ns=1, boot="another")
    newer_version(run)
    with pytest.raises(RunError) as caught:
        read_run(run)
    assert (caught.value.code, caught.value.exit) == ("E_RUN_VERSION", Exit.UNAVAILABLE)
    assert "9.9.9" in caught.value.message
    assert list_runs() == []
    assert collect(dry_run=False) == []
    assert run.exists()


def test_unknown_fields_of_the_same_version_are_passed_over(runtime: Path) -> None:
    run = begin(runtime, "a", started_unix_ns=1, started_ns=1)
    document = json.loads((run / RUN_JSON).read_bytes())
    (run / RUN_JSON).write_bytes(msgspec.json.encode(document | {"later": [1, 2]}))
    assert read_run(run).identity.name == "a"


def test_what_an_older_byteor_left_out_has_its_default(runtime: Path) -> None:
    run = begin(runtime, "a", started_unix_ns=time.time_ns() - HOUR_NS, started_ns=1)
    document = json.loads((run / RUN_JSON).read_bytes())
    for field in ("version", "started_ns", "profile", "tuning", "metrics", "replaces"):
        del document[field]
    (run / RUN_JSON).write_bytes(msgspec.json.encode(document))
    info = read_run(run)
    assert (info.alive, info.identity.profile) == (True, "default")
    assert age_ns(info.identity) >= HOUR_NS
    assert info.ours == (run.stat().st_uid == os.geteuid())
