"""The ``host:`` source: this machine's own counters, read from /proc, one JSON message a counter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

USAGE = "host:[SAMPLES_PER_S | max]"
DEFAULT_SAMPLES_PER_S = 10.0
MAX_SAMPLES_PER_S = 100_000.0
READ_BYTES = 1 << 16

Names = tuple[bytes, ...]
# A panel's reading: the rows that it names now, and one value for each counter of each row.
Reading = tuple[Names, list[bytes]]


class Panel(NamedTuple):
    """One file of /proc: how to read it and what its numbers are called."""

    path: str
    parse: Callable[[bytes], Reading]
    metrics: Callable[[Names], list[tuple[str, str]]]  # (metric, counter or gauge) for each value


CPU_FIELDS = (b"user", b"nice", b"system", b"idle", b"iowait", b"irq", b"softirq", b"steal")
STAT_COUNTERS = {b"ctxt": "context_switches", b"processes": "forks"}
STAT_GAUGES = {b"procs_running": "processes_running", b"procs_blocked": "processes_blocked"}
# (column of /proc/net/dev behind the name, metric)
NET_FIELDS = (
    (1, "rx_bytes"),
    (2, "rx_packets"),
    (3, "rx_errors"),
    (4, "rx_dropped"),
    (9, "tx_bytes"),
    (10, "tx_packets"),
    (11, "tx_errors"),
    (12, "tx_dropped"),
)
# (column of /proc/diskstats, metric, kind); a sector is 512 bytes whatever the device says
DISK_FIELDS = (
    (3, "reads", "counter"),
    (5, "read_sectors", "counter"),
    (6, "read_ms", "counter"),
    (7, "writes", "counter"),
    (9, "written_sectors", "counter"),
    (10, "write_ms", "counter"),
    (11, "io_in_progress", "gauge"),
    (12, "io_ms", "counter"),
)
MEMORY_FIELDS = {
    b"MemTotal:": "total_kib",
    b"MemFree:": "free_kib",
    b"MemAvailable:": "available_kib",
    b"Buffers:": "buffers_kib",
    b"Cached:": "cached_kib",
    b"Active:": "active_kib",
    b"Inactive:": "inactive_kib",
    b"AnonPages:": "anonymous_kib",
    b"Mapped:": "mapped_kib",
    b"Shmem:": "shared_kib",
    b"Slab:": "slab_kib",
    b"Dirty:": "dirty_kib",
    b"Writeback:": "writeback_kib",
    b"SwapFree:": "swap_free_kib",
}
IDLE_DEVICES = (b"loop", b"ram")  # dozens of rows of zeros on most hosts


def parse_cpu(text: bytes) -> Reading:
    names: list[bytes] = []
    values: list[bytes] = []
    for line in text.splitlines():
        fields = line.split(None, 9)
        if fields[0].startswith(b"cpu"):
            names.append(fields[0])
            values += fields[1:9]
        elif fields[0] in STAT_COUNTERS or fields[0] in STAT_GAUGES:
            names.append(fields[0])
            values.append(fields[1])
    return tuple(names), values


def cpu_metrics(names: Names) -> list[tuple[str, str]]:
    metrics: list[tuple[str, str]] = []
    for name in names:
        if name.startswith(b"cpu"):
            cpu = name[3:].decode() or "total"
            metrics += [(f"cpu.{cpu}.{field.decode()}_ticks", "counter") for field in CPU_FIELDS]
        elif name in STAT_COUNTERS:
            metrics.append((f"system.{STAT_COUNTERS[name]}", "counter"))
        else:
            metrics.append((f"system.{STAT_GAUGES[name]}", "gauge"))
    return metrics


def parse_memory(text: bytes) -> Reading:
    rows = [line.split() for line in text.splitlines()]
    kept = [row for row in rows if row[0] in MEMORY_FIELDS]
    return tuple(row[0] for row in kept), [row[1] for row in kept]


def memory_metrics(names: Names) -> list[tuple[str, str]]:
    return [(f"memory.{MEMORY_FIELDS[name]}", "gauge") for name in names]


def parse_net(text: bytes) -> Reading:
    rows = [line.replace(b":", b" ", 1).split() for line in text.splitlines()[2:]]
    return tuple(row[0] for row in rows), [row[column] for row in rows for column, _ in NET_FIELDS]


def net_metrics(names: Names) -> list[tuple[str, str]]:
    return [(f"net.{name.decode()}.{field}", "counter") for name in names for _, field in NET_FIELDS]


def parse_disks(text: bytes) -> Reading:
    rows = [line.split() for line in text.splitlines()]
    kept = [row for row in rows if not row[2].startswith(IDLE_DEVICES)]
    return tuple(row[2] for row in kept), [row[column] for row in kept for column, _, _ in DISK_FIELDS]


def disk_metrics(names: Names) -> list[tuple[str, str]]:
    return [(f"disk.{name.decode()}.{field}", kind) for name in names for _, field, kind in DISK_FIELDS]


def parse_load(text: bytes) -> Reading:
    return (), text.split()[:3]


def load_metrics(_: Names) -> list[tuple[str, str]]:
    return [("load.1m", "gauge"), ("load.5m", "gauge"), ("load.15m", "gauge")]


def parse_pressure(text: bytes) -> Reading:
    """Rows ``some avg10=0.00 avg60=0.00 avg300=0.00 total=0`` and, mostly, ``full ...``."""
    rows = [line.split() for line in text.splitlines()]
    values = [field.partition(b"=")[2] for row in rows for field in (row[1], row[4])]
    return tuple(row[0] for row in rows), values


def pressure_metrics(resource: str) -> Callable[[Names], list[tuple[str, str]]]:
    def metrics(names: Names) -> list[tuple[str, str]]:
        fields = (("avg10_percent", "gauge"), ("stall_us", "counter"))
        return [
            (f"pressure.{resource}.{name.decode()}_{field}", kind) for name in names for field, kind in fields
        ]

    return metrics


PANELS = (
    Panel("stat", parse_cpu, cpu_metrics),
    Panel("meminfo", parse_memory, memory_metrics),
    Panel("net/dev", parse_net, net_metrics),
    Panel("diskstats", parse_disks, disk_metrics),
    Panel("loadavg", parse_load, load_metrics),
    Panel("pressure/cpu", parse_pressure, pressure_metrics("cpu")),
    Panel("pressure/io", parse_pressure, pressure_metrics("io")),
    Panel("pressure/memory", parse_pressure, pressure_metrics("memory")),
)


class OpenPanel:
    """A panel on a kept-open descriptor, with the constant middle part of each of its messages."""

    def __init__(self, panel: Panel, fd: int) -> None:
        self.panel = panel
        self.fd = fd
        self._names: Names | None = None
        self._middles: list[bytes] = []

    def sample(self, head: bytes) -> list[bytes]:
        """One message a counter. ``head`` is the opening of the object up to the time's digits."""
        names, values = self.panel.parse(read_whole(self.fd))
        if names != self._names:  # the first time, and when a device or a CPU comes or goes
            self._middles = [
                f',"metric":"{metric}","kind":"{kind}","value":'.encode()
                for metric, kind in self.panel.metrics(names)
            ]
            self._names = names
        return [head + middle + value + b"}" for middle, value in zip(self._middles, values, strict=True)]


def _why(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else "it has not the form that this program knows"


def read_whole(fd: int) -> bytes:
    """A file of /proc from its start; the kernel may hand it over in several pieces."""
    text = os.pread(fd, READ_BYTES, 0)
    at = len(text)
    while more := os.pread(fd, READ_BYTES, at):
        text += more
        at += len(more)
    return text


class HostSource(SourceEdge):
    """``{"t_ns":..,"metric":"cpu.total.user_ticks","kind":"counter","value":123}``, sample by sample.

    ``t_ns`` is the wall clock (Unix, ns) at which the sample began, the same for all its messages.
    A sample that is due while the last one is still being taken is left out and counted, not made up.
    """

    def __init__(self, samples_per_s: float | None, proc: str = "/proc") -> None:
        super().__init__("host:max" if samples_per_s is None else f"host:{samples_per_s:g}")
        self._period_s = 0.0 if samples_per_s is None else 1.0 / samples_per_s
        self._proc = proc
        self._panels: list[OpenPanel] = []
        self._absent: list[str] = []
        self._pending: list[bytes] = []
        self._at = 0
        self._due_s = 0.0
        self._samples = 0
        self._late = 0

    def open(self) -> None:
        """Raises ``E_SOURCE_UNREADABLE`` when not even the CPU times can be read."""
        for panel in PANELS:
            path = f"{self._proc}/{panel.path}"
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                self._missing(panel, path, error)
                continue
            opened = OpenPanel(panel, fd)
            try:
                opened.sample(b"{")
            except (OSError, IndexError, ValueError) as error:
                # Pressure files refuse when the kernel has them off; a sandbox's /proc may look different.
                os.close(fd)
                self._missing(panel, path, error)
                continue
            self._panels.append(opened)
        self._due_s = time.monotonic()

    def _missing(self, panel: Panel, path: str, error: Exception) -> None:
        if panel is PANELS[0]:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"cannot read {path}: {_why(error)}",
                hint="host: needs Linux with /proc mounted",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._absent.append(panel.path)

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Never ends. Raises ``E_SOURCE_READ`` when /proc stops answering."""
        if self._at >= len(self._pending):
            wait_s = self._due_s - time.monotonic()
            if wait_s > 0:
                time.sleep(min(wait_s, timeout_s))
                if wait_s > timeout_s:
                    return []
            self._sample()
        batch = list(islice(self._pending, self._at, self._at + max_messages))
        self._at += len(batch)
        return batch

    def _sample(self) -> None:
        head = b'{"t_ns":%d' % time.time_ns()
        pending: list[bytes] = []
        for panel in self._panels:
            try:
                pending += panel.sample(head)
            except (OSError, IndexError, ValueError) as error:
                path = f"{self._proc}/{panel.panel.path}"
                raise EdgeError("E_SOURCE_READ", f"cannot read {path}: {_why(error)}") from error
        self._pending, self._at = pending, 0
        self._samples += 1
        self._counted["messages"] += len(pending)
        if self._period_s:
            self._due_s += self._period_s
            behind = int((time.monotonic() - self._due_s) / self._period_s)
            if behind > 0:
                self._late += behind
                self._counted["samples_left_out"] += behind
                self._due_s += behind * self._period_s

    def close(self) -> None:
        for panel in self._panels:
            os.close(panel.fd)
        self._panels.clear()

    def health(self) -> Health:
        absent = f"; not on this host: {', '.join(self._absent)}" if self._absent else ""
        late = f"; {self._late:,} left out, asked for more than this host can" if self._late else ""
        return Health(ok=not self._late, detail=f"{self._samples:,} samples{late}{absent}")


def host_source(spelled: Spelled) -> HostSource:
    argument = spelled.argument
    if argument == "max":
        return HostSource(None)
    if not argument:
        return HostSource(DEFAULT_SAMPLES_PER_S)
    try:
        rate = float(argument)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= MAX_SAMPLES_PER_S:
        raise bad_argument("host", USAGE, f"no rate: {argument!r} (over 0, at most {MAX_SAMPLES_PER_S:,.0f})")
    return HostSource(rate)
