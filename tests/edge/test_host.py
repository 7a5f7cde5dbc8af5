"""The host source: real counters of this machine, and recorded /proc files of others."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from byteor.edge import EdgeError, parse_source
from byteor.edge.host import HostSource
from byteor.errors import Exit

PROC = {
    "stat": "cpu  10 11 12 13 14 15 16 17 18 19\ncpu0 20 21 22 23 24 25 26 27 28 29\nintr 5 1 2\n"
    "ctxt 700\nbtime 1\nprocesses 70\nprocs_running 3\nprocs_blocked 1\nsoftirq 1 2\n",
    "meminfo": "MemTotal:       16000 kB\nMemFree:        8000 kB\nHugePages_Total:       0\n",
    "net/dev": "Inter-|   Receive |  Transmit\n face |bytes packets\n"
    "    lo:    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    "  eth0:99999999 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    "diskstats": "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n",
    "loadavg": "0.10 0.20 0.30 2/300 4000\n",
    "pressure/cpu": "some avg10=1.50 avg60=0.00 avg300=0.00 total=123\n",
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name, text in PROC.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def sample(source: HostSource) -> dict[str, tuple[str, float]]:
    messages: list[bytes] = []
    while not messages:
        messages += source.read(100_000, 1.0) or []
    records = [json.loads(message) for message in messages]
    assert len({record["t_ns"] for record in records}) == 1
    assert len({record["metric"] for record in records}) == len(records)
    assert all(list(record) == ["t_ns", "metric", "kind", "value"] for record in records)
    return {record["metric"]: (record["kind"], record["value"]) for record in records}


EXPECTED = {
    "cpu.total.user_ticks": ("counter", 10),
    "cpu.total.steal_ticks": ("counter", 17),
    "cpu.0.idle_ticks": ("counter", 23),
    "system.context_switches": ("counter", 700),
    "system.processes_running": ("gauge", 3),
    "memory.total_kib": ("gauge", 16000),
    "memory.free_kib": ("gauge", 8000),
    "net.lo.rx_bytes": ("counter", 1),
    "net.eth0.rx_bytes": ("counter", 99999999),
    "net.eth0.tx_dropped": ("counter", 12),
    "disk.vda.reads": ("counter", 1),
    "disk.vda.io_in_progress": ("gauge", 9),
    "load.15m": ("gauge", 0.3),
    "pressure.cpu.some_avg10_percent": ("gauge", 1.5),
    "pressure.cpu.some_stall_us": ("counter", 123),
}


def test_each_counter_of_a_recorded_proc_has_its_place(proc: Path) -> None:
    source = HostSource(None, str(proc))
    source.open()
    seen = sample(source)
    source.close()
    assert {metric: seen.get(metric) for metric in EXPECTED} == EXPECTED
    assert len(seen) == 2 * 8 + 4 + 2 + 2 * 8 + 8 + 3 + 2
    assert "pressure/io" in source.health().detail


def test_a_device_that_comes_is_sampled_from_then_on(proc: Path) -> None:
    source = HostSource(None, str(proc))
    source.open()
    assert "net.tun0.rx_bytes" not in sample(source)
    with (proc / "net/dev").open("a") as file:
        file.write("  tun0: 42 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    assert sample(source)["net.tun0.rx_bytes"] == ("counter", 42)
    source.close()


def test_this_host_has_counters_that_only_grow() -> None:
    source = parse_source("host:max")
    source.open()
    first, second = sample(source), sample(source)
    source.close()
    assert first.keys() == second.keys()
    assert first["cpu.total.user_ticks"][1] > 0
    assert all(second[metric][1] >= value for metric, (kind, value) in first.items() if kind == "counter")


def test_small_batches_hand_over_the_whole_sample(proc: Path) -> None:
    source = HostSource(2.0, str(proc))
    source.open()
    messages: list[bytes] = []
    while batch := source.read(7, 0.0):
        assert len(batch) <= 7
        messages += batch
    source.close()
    assert len(messages) == 51


def test_a_paced_source_keeps_its_rate_and_its_timeout(proc: Path) -> None:
    source = HostSource(20.0, str(proc))
    source.open()
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        source.read(100_000, 0.01)
    source.close()
    samples = int(source.health().detail.split()[0])
    assert 1 <= samples <= 11


def test_without_proc_the_source_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        HostSource(1.0, str(tmp_path)).open()
    assert (caught.value.code, caught.value.exit) == ("E_SOURCE_UNREADABLE", Exit.UNAVAILABLE)


@pytest.mark.parametrize("text", ["nonsense\n", "1 2\n", "1 2 vda x\n"])
def test_a_file_of_another_form_is_left_out_and_told(proc: Path, text: str) -> None:
    (proc / "diskstats").write_text(text)
    source = HostSource(None, str(proc))
    source.open()
    seen = sample(source)
    source.close()
    assert not any(metric.startswith("disk.") for metric in seen)
    assert "diskstats" in source.health().detail


def test_a_file_that_changes_its_form_at_work_is_an_error_that_names_it(proc: Path) -> None:
    source = HostSource(None, str(proc))
    source.open()
    (proc / "diskstats").write_text("garbage\n")
    with pytest.raises(EdgeError, match="diskstats") as caught:
        source.read(1, 0)
    source.close()
    assert caught.value.code == "E_SOURCE_READ"
