"""What is noted of sources and sinks, and what a reader makes of a file that is not whole."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from byteor.edge import parse_sink, parse_source
from byteor.runtime.end_health import ENDS_JSON, HealthFile, read_ends


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("byteor.runtime.end_health.time.monotonic", lambda: now[0])
    return now


def note(file: HealthFile, run: Path) -> None:
    file.note(run)
    file.settle(30)


def test_a_disk_that_hangs_holds_nobody_up_and_the_news_come_later(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming over a file waited for 20 s in the supervisor's loop, on a disk that others kept busy."""
    disk = threading.Event()
    replace = Path.replace

    def slowly(path: Path, target: Path) -> Path:
        disk.wait(30)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", slowly)
    file = HealthFile({}, {"egress": parse_sink("null:")})
    for _ in range(3):
        file.note(tmp_path)  # returns
        clock[0] += 1.0
    assert read_ends(tmp_path) == ()
    disk.set()
    file.settle(30)
    assert [end.endpoint for end in read_ends(tmp_path)] == ["egress"]


def test_it_is_written_when_something_changed_and_once_a_second_at_most(
    tmp_path: Path, clock: list[float]
) -> None:
    source = parse_source("generate:0,16?rate=0")
    file = HealthFile({"ingress": source}, {"egress": parse_sink("null:")})
    note(file, tmp_path)
    first = (tmp_path / ENDS_JSON).stat()
    source.read(5, 0)
    note(file, tmp_path)  # too early
    assert (tmp_path / ENDS_JSON).stat().st_ino == first.st_ino
    clock[0] += 1.0
    note(file, tmp_path)
    told = {end.endpoint: end for end in read_ends(tmp_path)}
    assert "5 messages" in told["ingress"].detail
    assert (told["ingress"].role, told["egress"].role, told["egress"].ok) == ("source", "sink", True)
    second = (tmp_path / ENDS_JSON).stat()
    clock[0] += 1.0
    note(file, tmp_path)  # nothing new
    assert (tmp_path / ENDS_JSON).stat().st_ino == second.st_ino
    assert [path.name for path in tmp_path.iterdir()] == [ENDS_JSON]


@pytest.mark.parametrize(("folder", "file"), [(0o700, 0o600), (0o2750, 0o640)])
def test_a_group_that_may_look_may_look_here_too(tmp_path: Path, folder: int, file: int) -> None:
    tmp_path.chmod(folder)
    note(HealthFile({}, {"egress": parse_sink("null:")}), tmp_path)
    assert stat.S_IMODE((tmp_path / ENDS_JSON).stat().st_mode) == file


class Mute:
    """A sink whose health cannot be told."""

    name = "mute"

    def health(self) -> None:
        raise RuntimeError("no")


def test_an_end_that_cannot_tell_and_a_folder_that_is_gone_end_nothing(tmp_path: Path) -> None:
    mute: Any = Mute()
    note(HealthFile({}, {"egress": mute}), tmp_path)
    note(HealthFile({}, {"egress": parse_sink("null:")}), tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"[", b"{}", b'[{"endpoint": 1}]', b"\xff"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / ENDS_JSON).write_bytes(data)
    assert read_ends(tmp_path) == ()
