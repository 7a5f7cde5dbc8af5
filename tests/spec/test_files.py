"""Files that are no documents: clear errors, no hanging, bounded memory."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from byteor.errors import Exit
from byteor.spec import SpecError, load, read_document
from byteor.spec import files as files_module
from byteor.spec.explain_examples import RING, text
from byteor.spec.files import MAX_FILE_BYTES, read_bounded


def code_of(path: Path | str) -> str:
    with pytest.raises(SpecError) as caught:
        read_bounded(path)
    assert caught.value.hint
    return caught.value.code


def test_a_missing_file_exits_7(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "absent.kv")
    assert (caught.value.code, caught.value.exit) == ("E_NOT_FOUND", Exit.NOT_FOUND)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert code_of(tmp_path / "fifo") == "E_FILE"
    assert code_of(tmp_path) == "E_FILE"
    assert code_of("/dev/zero") == "E_FILE"
    assert code_of("with\0nul") == "E_FILE"
    (tmp_path / "loop").symlink_to("loop")
    assert code_of(tmp_path / "loop") == "E_FILE"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        assert code_of(tmp_path / "sock") == "E_FILE"


def test_16_mib_are_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "big.kv"
    path.write_bytes(b"#\n" * (MAX_FILE_BYTES // 2))
    assert len(read_bounded(path)) == MAX_FILE_BYTES
    with path.open("ab") as file:
        file.write(b"#")
    assert code_of(path) == "E_FILE_SIZE"


def test_a_file_that_keeps_changing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "busy.kv"
    path.write_text(text(RING, {}))
    real, tick = os.read, iter(range(1, 100))

    def read_while_somebody_writes(descriptor: int, count: int) -> bytes:
        data = real(descriptor, count)
        if not data:
            os.utime(path, ns=(next(tick), next(tick)))
        return data

    monkeypatch.setattr(files_module.os, "read", read_while_somebody_writes)
    assert code_of(path) == "E_CHANGED"


def test_one_change_while_reading_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "busy.kv"
    path.write_bytes(b"old")
    real, once = os.read, []

    def read_and_write_once(descriptor: int, count: int) -> bytes:
        data = real(descriptor, count)
        if not once:
            once.append(True)
            path.write_bytes(b"longer")
        return data

    monkeypatch.setattr(files_module.os, "read", read_and_write_once)
    assert read_bounded(path) == b"longer"


def test_a_torn_write_is_never_taken_for_a_spec(tmp_path: Path) -> None:
    """Somebody truncates and writes again, as fast as he can: what is read is one version, or an error."""
    path = tmp_path / "torn.kv"
    versions = [text(RING, {"single_ring.capacity": str(1 << n)}).encode() for n in (5, 15)]
    path.write_bytes(versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                path.write_bytes(version)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            try:
                data = read_bounded(path)
            except SpecError as error:
                assert error.code == "E_CHANGED"
            else:
                # A truncated file may be seen, as the file system shows one; never a mixture of versions.
                assert any(version.startswith(data) for version in versions)
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("unknown.kv", b"k%07d=1\n"),
        ("indexes.kv", b"single_ring.stages.%d.name=a\n"),
        ("faults.kv", b"?%07d\n"),
        ("empty.kv", b"\n"),
    ],
)
def test_16_mib_of_anything_take_bounded_memory(tmp_path: Path, name: str, line: bytes) -> None:
    path = tmp_path / name
    count = MAX_FILE_BYTES // 33
    lines = (line % number if b"%" in line else line for number in range(count))
    path.write_bytes(b"".join(lines)[: MAX_FILE_BYTES - 8])
    script = (
        "import resource, sys\n"
        "from byteor.spec import check_document, read_document\n"
        "report = check_document(read_document(sys.argv[1]))\n"
        "assert not report.ok and len(report.plan_diagnostics) <= 1001\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    limit = 1 << 30

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 700


REFUSED = ("E_SYNTAX", "E_KEY", "E_LINE_LENGTH")


def test_deep_keys_and_nesting_are_refused() -> None:
    deep = ".".join("a" for _ in range(2000)).encode()
    codes = {finding.code for finding in read_document(deep + b"=1\n").findings}
    assert codes == {"W_UNKNOWN_KEY", "E_MISSING"}
    for data in (b"[" * 100_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        assert read_document(data, format="json").findings[0].code in REFUSED
    dotted = ".".join("a" * 1500)
    for text_ in (
        dotted + " = 1",
        "x = {" + dotted + " = 1}",
        "a = " + "[" * 10_000,
        ".".join("a" for _ in range(10_000)) + " = 1",
        "[" + ".".join("a" * 9000) + "]",
    ):
        assert read_document(text_.encode(), format="toml").findings[0].code in REFUSED
