"""The console's bars: first paint, cost at 40 and 1,000 stages, keys, memory, stalls, the audit tail.

    python -m bench.console [--seconds 8] [--audit-rows 1000000] [--only first_paint,...] [-o FILE]

Each figure comes from a console of its own on a pseudo-terminal of 120x40; stages are synthetic and move all
at once, which is worse than life. CPU is that of the whole process, in % of one core. A loaded machine makes
everything slower but CPU shares and bytes. With ``-o`` the rows measured take the place of those in the file.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SIZE = (120, 40)


TITLES = [
    *(("2", rb"2 Stages"), ("3", rb"3 Approvals"), ("4", rb"4 Diff"), ("5", rb"5 Incidents")),
    *(("6", rb"6 Replay"), ("7", rb"7 Audit"), ("8", rb"8 Doctor")),
]
ASK, ANSWER = b"\x1b[6n", b"\x1b[1;1R"


class Console:
    """``python -m bench.console_child STAGES`` on a terminal; ``read`` drains it.

    The terminal answers where its cursor is, as terminals do, unless it is ``mute``.
    """

    def __init__(self, *args: str, mute: bool = False, module: str = "bench.console_child") -> None:
        self._mute = mute
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color"}
        environ.pop("SSH_CONNECTION", None)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environ,
        )  # fmt: skip
        os.close(slave)
        self.total = 0

    def read(self, seconds: float) -> bytes:
        """Everything that comes within ``seconds``."""
        end, data = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                data += self._take()
        self.total += len(data)
        return data

    def until(self, pattern: bytes, seconds: float = 20.0) -> float:
        """When ``pattern`` has come (monotonic seconds)."""
        return self.find(pattern, seconds)[0]

    def find(self, pattern: bytes, seconds: float = 20.0) -> tuple[float, bytes]:
        """When ``pattern`` has come, and what its last group was."""
        end, data = time.monotonic() + seconds, b""
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.5)[0]:
                data += self._take()
                if found := re.search(pattern, data):
                    return time.monotonic(), found[found.re.groups]
        raise TimeoutError(f"{pattern!r} did not come: {data[-300:]!r}")

    def _take(self) -> bytes:
        data = os.read(self.master, 1 << 16)
        if not self._mute and (asks := data.count(ASK)):
            os.write(self.master, ANSWER * asks)
        return data

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def measure(self, seconds: float) -> tuple[float, float]:
        """(% of a core, KB/s) over ``seconds``."""
        cpu, start = self.cpu_s(), time.monotonic()
        got = len(self.read(seconds))
        elapsed = time.monotonic() - start
        return 100 * (self.cpu_s() - cpu) / elapsed, got / 1024 / elapsed


SAID: list[dict[str, str]] = []


def say(name: str, value: str, bar: str) -> None:
    SAID.append({"what": name, "measured": value, "bar": bar})
    sys.stdout.write(f"{name:<34} {value:<30} bar {bar}\n")
    sys.stdout.flush()


def first_paint(seconds: float) -> None:
    times = []
    for _ in range(5):
        console = Console("40")
        times.append((console.until(rb"stage-1\b") - console.started) * 1000)
        console.close()
    say("first paint, 40 stages, median of 5", f"{statistics.median(times):.0f} ms", "<= 350 ms")
    with Run(rate=20):
        times = []
        for _ in range(7):
            console = Console("--run=host-telemetry", module="byteor_tui")
            times.append((console.until(rb"annotate\b") - console.started) * 1000)
            console.close()
    say(
        "first paint of a real run, of 7",
        f"median {statistics.median(times):.0f} ms, best {min(times):.0f}",
        "<= 350 ms",
    )
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "byteor_tui", "--help"], capture_output=True, text=True
    )
    say("--help imports Textual", str("textual" in done.stderr), "False")


def cost(seconds: float) -> None:
    for stages, bar in (("40", "<= 10 %, <= 200 KB/s"), ("1000", "<= 15 %")):
        console = Console(stages)
        console.until(rb"stage-1\b")
        console.read(3)
        cpu, rate = console.measure(seconds)
        say(f"{stages} stages, 10 Hz", f"{cpu:.1f} %, {rate:.0f} KB/s", bar)
        if stages == "40":
            console.press("__")
            console.read(1.5)
            say("40 stages, 2 Hz", f"{console.measure(seconds)[0]:.1f} %", "<= 3 %")
            console.press("++ ")
            console.read(1.5)
            say("40 stages, paused", f"{console.measure(seconds)[0]:.1f} %", "<= 1 %")
        console.close()


def keys(seconds: float) -> None:
    console = Console("40")
    console.until(rb"stage-1\b")
    console.read(3)
    times = []
    for turn in range(40):
        key, row = ("j", turn % 20 + 1)
        if turn and turn % 20 == 0:
            console.press("k" * 20)
            console.read(0.5)
        start = time.monotonic()
        console.press(key)
        seen = console.until(rb">[^\n]{0,60}stage-" + str(row).encode() + rb"\b")
        times.append((seen - start) * 1000)
        console.read(0.03)
    say("key to paint, 10 Hz", median_and_p95(times), "p95 <= 40 ms")
    first, again = [], []
    for turn in range(6 * len(TITLES)):
        key, title = TITLES[turn % len(TITLES)]
        start = time.monotonic()
        console.press(key)
        (again if turn >= len(TITLES) else first).append((console.until(title) - start) * 1000)
        console.read(0.2)
    console.close()
    say("key to a screen seen before", median_and_p95(again), "p95 <= 40 ms")
    say("key to a screen never seen yet", median_and_p95(first), "-")


def median_and_p95(times_ms: list[float]) -> str:
    p95 = sorted(times_ms)[int(0.95 * len(times_ms))]
    return f"median {statistics.median(times_ms):.0f} ms, p95 {p95:.0f} ms"


def looking_back(seconds: float) -> None:
    """The time cursor, a step a key, over a full tape; each step has a picture of its own time."""
    for stages in ("40", "1000"):
        console = Console(stages, "taped")
        console.until(rb"stage-1\b", 60)
        console.read(3)
        console.press("[")
        _, shown = console.find(rb"PAST (\d\d:\d\d:\d\d)")
        at, times = datetime.datetime.strptime(shown.decode(), "%H:%M:%S"), []
        for _ in range(60 if stages == "40" else 5):  # of a thousand stages the tape keeps 36 s
            near = [at - datetime.timedelta(seconds=ago) for ago in (4, 5, 6)]  # frames drift by milliseconds
            start = time.monotonic()
            console.press("[")
            seen, shown = console.find(b"PAST (%b)" % "|".join(f"{one:%H:%M:%S}" for one in near).encode())
            times.append(1000 * (seen - start))
            at = datetime.datetime.strptime(shown.decode(), "%H:%M:%S")
            console.read(0.03)
        console.close()
        bar = "p95 <= 40 ms" if stages == "40" else "-"
        say(f"time cursor to paint, {stages} stages", median_and_p95(times), bar)


def stall(seconds: float) -> None:
    """Nobody reads for 5 s; then all is read that had been sent. A question stands before each frame."""
    for mute in (False, True):
        console = Console("40", mute=mute)
        console.until(rb"stage-1\b")
        console.read(3)
        time.sleep(5)
        backlog = b""
        while select.select([console.master], [], [], 0.005)[0] and len(backlog) < 1 << 20:
            backlog += os.read(console.master, 1 << 16)
        frames = backlog.count(ASK)
        if mute:
            beyond = max(0, len(backlog) - line_buffer())
            say(
                "the same, terminal without answers",
                f"{frames} frames, {beyond} bytes beyond the line's buffer",
                "none",
            )
        else:
            say("old frames after a stall of 5 s", f"{frames} ({len(backlog)} bytes)", "<= 2")
        console.close()


class Run:
    """A real run of the demo's plan in folders of its own, with ``rate`` samples of this host a second."""

    def __init__(self, rate: int) -> None:
        self._folders = [tempfile.TemporaryDirectory(dir=where) for where in (None, None, "/dev/shm")]
        for name, folder in zip(("RUNTIME", "STATE", "SHM"), self._folders, strict=True):
            os.environ[f"BYTEOR_{name}_DIR"] = folder.name
        command = [sys.executable, "-m", "byteor", "run", "--spec=specs/host-telemetry.plan.kv"]
        self._process = subprocess.Popen(
            [*command, f"--source=host:{rate}", "--sink=null:"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Run:
        from byteor.errors import ByteorError
        from byteor_tui.model.runs import find_runs, open_source

        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(ByteorError, IndexError):
                self._source = open_source(find_runs()[0])
                if self.arrived() > 0:
                    return self
            time.sleep(0.05)
        raise TimeoutError("the run did not begin")

    def arrived(self) -> int:
        return self._source.sample().workers[-1].messages_in

    def rate(self, seconds: float, read: Callable[[float], object] = time.sleep) -> float:
        """Messages a second at the sink over ``seconds``."""
        before, start = self.arrived(), time.monotonic()
        read(seconds)
        return (self.arrived() - before) / (time.monotonic() - start)

    def __exit__(self, *_: object) -> None:
        self._source.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=20)
        for folder in self._folders:
            folder.cleanup()


def producer(seconds: float) -> None:
    """A run that is watched against the same run alone, and the console on a fast run against a slow one."""
    cpu = {}
    for rate in (2, 190):  # a sample of this host is about 105 messages
        with Run(rate) as run:
            alone = run.rate(seconds)
            console = Console("--run=host-telemetry", module="byteor_tui")
            console.until(rb"annotate\b")
            console.read(3)
            before = console.cpu_s()
            watched = run.rate(seconds, console.read)
            cpu[rate] = 100 * (console.cpu_s() - before) / seconds
            console.close()
    say(
        "a run of 20,000 messages/s, watched", f"{alone:,.0f}/s alone, {watched:,.0f}/s watched", "not slowed"
    )
    say("console's CPU on it", f"{cpu[190]:.1f} %, on a slow run {cpu[2]:.1f} %", "<= 2 % more")


def memory(seconds: float) -> None:
    """Twenty-two minutes, with a key now and then: the tape of a run is full after a quarter of an hour."""
    console = Console("40")
    console.until(rb"stage-1\b")
    seen = {}
    for minute in range(1, 23):
        for second in range(60):
            console.read(1)
            if second % 30 == 0:
                console.press("jk")  # who is there gets the full rate
        seen[minute] = console.rss_mb()
    console.close()
    shown = ", ".join(f"{seen[minute]:.1f} after {minute}" for minute in (1, 5, 10, 14, 18, 22))
    say("memory in MB by minutes", shown, "<= 60 after 10, flat")


def line_buffer() -> int:
    """What a pseudo-terminal of this kernel takes when nobody reads."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(slave, False)
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += os.write(slave, b"x" * 1000)
    os.close(master)
    os.close(slave)
    return taken


def audit(rows: int) -> None:
    from byteor_store import AuditLog, Event
    from byteor_tui.model import audit_tail

    with tempfile.TemporaryDirectory() as folder:
        os.environ["BYTEOR_STATE_DIR"] = folder
        path = Path(folder, "audit.db")
        with AuditLog.open(path) as log:
            event = Event(action="effect_done", actor="user:bench", run_id="r")
            for _ in range(0, rows, 20_000):
                log.append_many([event] * 20_000)
        tail = audit_tail.AuditTail()
        start = time.perf_counter()
        page = tail.look()
        opened = (time.perf_counter() - start) * 1000
        times = []
        for turn in range(50):
            start = time.perf_counter()
            audit_tail.page_before(page.size - 1 - turn * (page.size // 51))
            times.append((time.perf_counter() - start) * 1000)
        tail.close()
        say(f"audit tail of {page.size:,} rows: open", f"{opened:.0f} ms", "<= 100 ms")
        say("audit page of 200", f"median {statistics.median(times):.1f} ms", "<= 5 ms")


def saved(seconds: float) -> None:
    """From a saved file to its new hunk, and of a wrong one to its finding, on Diff of a real run."""
    plan = Path("specs/host-telemetry.plan.kv").read_text()
    with Run(2), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "host-telemetry.plan.kv")
        file.write_text(plan)
        console = Console("--run=host-telemetry", f"--spec={file}", "--screen=diff", module="byteor_tui")
        console.until(rb"the same spec")
        console.read(2)
        found = []
        for turn in range(max(4, int(2 * seconds))):
            wrong = turn % 4 == 3
            capacity = "banana" if wrong else str(1 << (10 + turn % 4 * 2 + (turn % 2)))
            fresh = file.with_suffix(".new")
            fresh.write_text(plan.replace("capacity=4096", f"capacity={capacity}"))
            console.read(0.05)
            fresh.replace(file)
            start = time.monotonic()
            pattern = rb"E_[A-Z_]+" if wrong else f"capacity={capacity}".encode()
            found.append(1000 * (console.until(pattern) - start))
            console.read(0.4)
        console.close()
    median, worst = statistics.median(found), max(found)
    say("a saved file: its hunk or finding on the screen", f"{median:.0f} ms, worst {worst:.0f}", "<= 200 ms")


BARS = {one.__name__: one for one in (first_paint, cost, keys, looking_back, stall, producer, saved, memory)}


def keep(path: Path) -> None:
    """Put what was measured into the results, in the place of the same rows of before."""
    from bench.transport.measure import machine

    before = json.loads(path.read_text())["rows"] if path.exists() else []
    fresh = {row["what"]: row for row in SAID}
    rows = [fresh.pop(row["what"], row) for row in before]
    path.write_text(json.dumps({"machine": machine(), "rows": [*rows, *fresh.values()]}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--audit-rows", type=int, default=1_000_000)
    parser.add_argument(
        "--only", default="first_paint,cost,keys,looking_back,stall,producer,saved,audit"
    )  # memory: 22 minutes
    parser.add_argument("-o", "--output", type=Path, help="bench/results/console.json")
    given = parser.parse_args()
    for name in given.only.split(","):
        if name == "audit":
            audit(given.audit_rows)
        else:
            BARS[name](given.seconds)
    if given.output is not None:
        keep(given.output)


if __name__ == "__main__":
    main()
