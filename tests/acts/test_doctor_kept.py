"""Results of the doctor that are kept: bounded, whole files, other hosts' too; nothing else is believed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from byteor.acts import doctor_kept
from byteor.acts.doctor_checks import Check
from byteor.acts.doctor_kept import Result, host_name, keep, kept, results_dir
from byteor.cli.doctor import command


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def result(at: int, host: str = "here") -> Result:
    return Result(
        host=host,
        at_unix_ns=at,
        profile="default",
        ok=True,
        facts={"linux": "6.1"},
        checks=(Check("a", "pass", "b"),),
    )


def test_the_newest_of_each_host_stay(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_kept, "MOST", 3)
    for at in (5, 1, 4, 2, 3):
        keep(result(at))
    keep(result(1, "there"))
    assert [(one.host, one.at_unix_ns) for one in kept()] == [
        ("there", 1),
        ("here", 3),
        ("here", 4),
        ("here", 5),
    ]
    assert kept()[-1] == result(5)
    assert {path.stat().st_mode & 0o777 for path in results_dir().iterdir()} == {0o600}


def test_what_is_no_result_is_passed_over(state: Path) -> None:
    assert kept() == ()
    keep(result(7))
    folder = results_dir()
    (folder / "00000000000000000008.here.json").write_text("{")
    other = msgspec.json.encode(result(9)).replace(b"byteor.doctor/v1", b"byteor.doctor/v2")
    (folder / "00000000000000000009.here.json").write_bytes(other)
    (folder / "00000000000000000010.here.json").mkdir()
    (folder / "note.txt").write_text("mine")
    assert [one.at_unix_ns for one in kept()] == [7]


def test_the_verb_keeps_what_it_found_and_a_dry_run_does_not(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(profile="default", json=True, dry_run=True)
    assert not state.exists()
    command(profile="default", json=True)
    (found,) = kept()
    assert found.host == host_name() and found.facts["linux"] and len(found.checks) > 10
    assert msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=Result) == found


def test_a_result_that_cannot_be_kept_is_told_and_printed_all_the_same(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state.mkdir()
    (state / "doctor").write_text("in the way")
    command(profile="default", json=False)
    said = capsys.readouterr()
    assert "native_kernel" in said.out and "is not kept" in said.err and "Traceback" not in said.err
