"""Dead letters: kept whole with the reason, private, bounded, and read back."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge import EdgeError, parse_source
from byteor.edge.dead_letter import DeadLetters


def read_back(path: Path) -> list[bytes]:
    source = parse_source(f"dead-letter:{path}")
    source.open()
    messages: list[bytes] = []
    while (batch := source.read(3, 0.1)) is not None:
        messages += batch
    source.close()
    return messages


@settings(deadline=None)
@given(messages=st.lists(st.binary(max_size=40), max_size=10))
def test_what_is_set_aside_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "letters"
    path.unlink(missing_ok=True)
    letters = DeadLetters(str(path))
    letters.open()
    for message in messages:
        letters.put("tcp::9", "E_OVERSIZE", "why", memoryview(message))
    letters.close()
    assert read_back(path) == messages


def test_a_letter_tells_where_it_comes_from_and_why(tmp_path: Path) -> None:
    letters = DeadLetters(str(tmp_path / "dead"))
    letters.open()
    letters.put("tcp::9", "E_OVERSIZE", "too long", b"begin", 5000)
    letters.close()
    letter = json.loads((tmp_path / "dead").read_text())
    assert letter.pop("t_ns") > 1e18
    assert letter == {
        "end": "tcp::9", "code": "E_OVERSIZE", "why": "too long",
        "bytes": 5000, "cut": True, "message": "begin",
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "dead").stat().st_mode) == 0o600
    assert read_back(tmp_path / "dead") == []  # what was cut is evidence, not a message


def test_at_its_limit_it_refuses_and_nothing_is_half_written(tmp_path: Path) -> None:
    letters = DeadLetters(str(tmp_path / "dead"), limit_bytes=300)
    letters.open()
    with pytest.raises(EdgeError) as caught:
        for _ in range(10):
            letters.put("e", "E_X", "why", b"x" * 50)
    letters.close()
    assert caught.value.code == "E_DEAD_LETTER"
    assert read_back(tmp_path / "dead") == [b"x" * 50] * letters.count
    assert letters.count >= 1


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    letters = DeadLetters(str(tmp_path / "dead"))
    letters.open()

    def put(number: int) -> None:
        for index in range(50):
            letters.put("e", "E_X", "why", b"%d-%d" % (number, index))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    letters.close()
    assert sorted(read_back(tmp_path / "dead")) == sorted(
        b"%d-%d" % (n, i) for n in range(4) for i in range(50)
    )


def test_a_folder_that_is_missing_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        DeadLetters(str(tmp_path / "none" / "dead")).open()
    assert caught.value.code == "E_DEAD_LETTER"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "dead").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EdgeError):
        DeadLetters(str(tmp_path / "dead")).open()


def test_another_file_is_no_dead_letter_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    with pytest.raises(EdgeError, match="no dead letter"):
        read_back(tmp_path / "x")
