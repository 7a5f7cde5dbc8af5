"""A terminal that stalls, answers late or goes away: what is sent to it, and how it is left."""

from __future__ import annotations

import base64
import fcntl
import os
import re
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from byteor_tui.driver import ConsoleDriver, Ended

Start = Callable[..., Any]
ASK, ANSWER = b"\x1b[6n", b"\x1b[12;1R"


def settle(console: Any, frames: int, seconds: float = 20.0) -> None:
    """Read, and answer as a terminal does, until ``frames`` frames were shown."""
    end = time.monotonic() + seconds
    shown = 0
    while shown < frames:
        assert time.monotonic() < end, console.text[-2000:]
        before = len(console.raw)
        console.read(0.1)
        asks = console.raw[before:].count(ASK)
        os.write(console.master, ANSWER * asks)
        shown += asks


def test_a_stalled_terminal_is_sent_two_frames_and_then_nothing(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    settle(console, 5)
    console.raw = b""
    while console.raw.count(ASK) < 2:  # the frames are read, but nobody answers
        console.read(1.0)
    while select.select([console.master], [], [], 1.0)[0]:
        console.read(0)
    assert console.raw.count(ASK) == 2
    console.press("j")  # a key is answered all the same
    console.wait_for(">", seconds=5)
    os.write(console.master, ANSWER * 2)
    settle(console, 3)
    console.press("q")
    console.wait()


def test_an_answer_that_comes_after_the_end_is_awaited_and_not_typed_into_the_shell(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal()
    settle(console, 3)
    while console.raw.count(ASK) < 5:
        console.read(1.0)
    console.press("q")
    time.sleep(0.4)  # the way there and back, over a bad link
    os.write(console.master, ANSWER * 2)
    assert console.wait() == 0 and console.restored
    os.set_blocking(console.slave, False)
    line = termios.tcgetattr(console.slave)
    line[3] &= ~termios.ICANON
    termios.tcsetattr(console.slave, termios.TCSANOW, line)
    with pytest.raises(BlockingIOError):
        os.read(console.slave, 100)


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "byteor_tui"])
open(sys.argv[1], "w").write(str(child.pid))
child.wait()
"""


def gone(pid: int, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_killed_parent_takes_the_console_along_and_the_terminal_is_given_back(
    private: Path, live: Any, terminal: Start
) -> None:
    note = private / "pid"
    console = terminal(argv=[sys.executable, "-c", PARENT, str(note)])
    console.wait_for("LIVE", "parse")
    pid = int(note.read_text())
    console.process.kill()  # the leader of the session, as a shell is
    console.process.wait()
    end = time.monotonic() + 60
    while not console.restored:
        assert time.monotonic() < end, console.text[-500:]
        console.read(0.1)
    assert gone(pid)
    assert live.process.poll() is None


def test_a_terminal_that_is_gone_ends_the_console_even_when_nobody_says_so(
    private: Path, live: Any, terminal: Start
) -> None:
    deaf = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); import byteor_tui.terminal as t;"
    )
    deaf += "t.SIGHUP_EXIT = 129; t.WayOut.leave_on_signals = lambda self, app: None;"
    deaf += "from byteor_tui.cli import main; sys.exit(main([]))"
    console = terminal(argv=[sys.executable, "-c", deaf])
    console.wait_for("LIVE", "parse")
    os.close(console.master)
    try:
        assert console.process.wait(timeout=60) != 0
    finally:
        console.master = os.open(os.devnull, os.O_RDONLY)  # the fixture closes it
    assert live.process.poll() is None


@pytest.mark.parametrize("keys", range(3))
def test_a_terminal_that_is_gone_leaves_no_traceback_in_a_file(
    private: Path, live: Any, terminal: Start, keys: int
) -> None:
    told = private / "told"
    console = terminal(argv=["sh", "-c", f"exec {sys.executable} -m byteor_tui 2>{told}"])
    console.wait_for("LIVE", "parse")
    if keys:
        console.press("z" * keys)  # it has something to write
    os.close(console.master)
    try:
        assert console.process.wait(timeout=60) != 0
    finally:
        console.master = os.open(os.devnull, os.O_RDONLY)  # the fixture closes it
    assert "Traceback" not in told.read_text()


def test_a_console_that_was_stopped_and_goes_on_reads_its_keys_with_one_thread(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    console.wait_for("LIVE", "parse")
    console.press("3")
    console.wait_for("3 Approvals", "audit #")  # the collector has looked: every thread is there
    threads = Path(f"/proc/{console.process.pid}/task")
    before = len(list(threads.iterdir()))
    os.kill(console.process.pid, signal.SIGSTOP)
    os.kill(console.process.pid, signal.SIGCONT)
    console.wait_for("3 Approvals", "LIVE")  # drawn anew
    console.press("2")
    console.wait_for("2 Stages")
    assert len(list(threads.iterdir())) <= before
    console.press("q")
    assert console.wait() == 0 and console.restored


def test_a_letter_that_comes_in_halves_is_typed_and_the_end_is_heard_while_nobody_types() -> None:
    source, typed = os.pipe()
    driver = ConsoleDriver.__new__(ConsoleDriver)  # its input alone
    driver.fileno, driver._debug, driver.exit_event = source, False, Ended()
    heard: Queue[Any] = Queue()
    driver.process_message = heard.put  # type: ignore[method-assign]
    thread = threading.Thread(target=driver.run_input_thread, daemon=True)
    thread.start()
    for half in (b"\xc3", b"\xa4", b"\x1b"):
        os.write(typed, half)
        end = time.monotonic() + 60
        while int.from_bytes(fcntl.ioctl(source, termios.FIONREAD, bytes(4)), sys.byteorder):
            assert time.monotonic() < end and thread.is_alive()
    assert heard.get(timeout=60).character == "ä"
    assert heard.get(timeout=60).key == "escape", "it was the key: nothing came after it"
    driver.exit_event.set()
    thread.join(timeout=60)
    assert not thread.is_alive() and heard.empty()


def test_a_checkpoint_gets_through_at_any_moment_so_no_read_transaction_is_held(
    private: Path, live: Any, terminal: Start
) -> None:
    import apsw

    console = terminal("--read-only")
    console.wait_for("LIVE", "parse")
    console.press("7")
    console.wait_for("7 Audit")
    database = apsw.Connection(str(private / "state" / "audit.db"))
    database.set_busy_timeout(1000)
    for _ in range(15):
        (busy, _, _) = database.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert busy == 0, "somebody has read for a second"
        console.read(0.1)
    database.close()
    console.press("q")
    assert console.wait() == 0


def test_a_read_only_console_holds_no_writable_descriptor(private: Path, live: Any, terminal: Start) -> None:
    key = private / "key.pem"
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    console = terminal("--read-only", "--kid=k", f"--key-file={key}", size=(120, 40))
    console.wait_for("LIVE", "parse", "RO")
    for place in "23456781":
        console.press(place)
        console.wait_for("LIVE")
    console.press("sFADXiH")
    console.wait_for("it is shown and not written")
    console.press("\x1b")
    console.wait_for("LIVE", "parse")
    proc = Path("/proc", str(console.process.pid))
    seen = 0
    for link in (proc / "fd").iterdir():
        target = str(link.readlink())
        if not target.startswith("/") or target.startswith(("/dev/pts/", "/dev/null")):
            continue  # the terminal, pipes, the loop's own eventpoll and socket pair
        seen += 1
        flags = int((proc / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0], 8)
        if not target.endswith(("-wal", "-shm")):
            assert flags & (os.O_WRONLY | os.O_RDWR) == 0, target
        assert target != str(key), "the verb opens the key, never the console"
    assert seen > 0
    for line in (proc / "maps").read_text().splitlines():
        path = line.partition("/")[2]
        if "w" in line.split()[1] and "s" in line.split()[1] and path:
            assert path.endswith("-shm"), line
    assert not (private / "state" / "snapshots").exists()
    console.press("q")
    assert console.wait() == 0


def test_a_link_is_copied_through_the_terminal_and_opens_the_same_place(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    console.wait_for("LIVE", "parse")
    console.press("2")
    console.wait_for("2 Stages", "detect")
    console.press("jY")
    end = time.monotonic() + 60
    while (found := re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", console.raw)) is None:
        assert time.monotonic() < end
        console.read(0.1)
    link = base64.b64decode(found[1]).decode()
    place, _, item = link.partition("?item=")
    assert place == f"byteor://{live.run.run_id}/stages" and item == "parse", link
    console.press("q")
    assert console.wait() == 0
    again = terminal("go", link, size=(120, 40))
    again.wait_for("2 Stages", "─ parse ─", seconds=60)
    again.press("q")
    assert again.wait() == 0
