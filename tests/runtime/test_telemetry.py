"""Prometheus text as a function of rows, and its server against real and bad clients."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from run_folders import identity

from byteor.indexbus import MetricsRegion
from byteor.indexbus.metrics import MetricsRow
from byteor.runtime import folders
from byteor.runtime.end_health import EndHealth
from byteor.runtime.errors import RunError
from byteor.runtime.telemetry import LaneDepth, Reading, exposition
from byteor.runtime.telemetry_server import MAX_CLIENTS, TelemetryServer, parse_address

SAMPLE = re.compile(r'byteor_[a-z_]+\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\} (\S+)')


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[MetricsRegion]:
    with MetricsRegion.create(tmp_path / "metrics.region", 3) as region:
        yield region


def begin(metrics: MetricsRegion, index: int, name: str, role: str) -> MetricsRow:
    row = metrics.row(index)
    row.begin(name, "key", role, "thread")
    return row


def reading(metrics: MetricsRegion, taken_ns: int = 2_000_000_000) -> Reading:
    return Reading(taken_ns=taken_ns, state="running", rows=tuple(metrics.rows()))


def value(text: str, name: str, *labels: str) -> float:
    """The one sample of ``name`` that has all ``labels``."""
    found = [
        line
        for line in text.splitlines()
        if line.startswith(f"byteor_{name}{{") and all(label in line for label in labels)
    ]
    assert len(found) == 1, found
    return float(found[0].rpartition(" ")[2])


def test_every_counter_of_a_row_is_told_with_its_worker(metrics: MetricsRegion) -> None:
    row = begin(metrics, 0, "parse", "stage")
    for field, count in (("in", 7), ("out", 5), ("filtered", 2), ("errors", 1), ("busy_ns", 1_500_000_000)):
        row.add(field, count)
    text = exposition(identity(), reading(metrics))
    mine = ('worker="parse"', 'role="stage"', 'run="pipe"')
    assert value(text, "worker_messages_in_total", *mine) == 7
    assert value(text, "worker_messages_out_total", *mine) == 5
    assert value(text, "worker_filtered_total", *mine) == 2
    assert value(text, "worker_errors_total", *mine) == 1
    assert value(text, "worker_busy_seconds_total", *mine) == 1.5
    assert value(text, "run_up") == 1
    row.close()


def test_drops_by_cause_add_up_to_all_drops(metrics: MetricsRegion) -> None:
    row = begin(metrics, 0, "wide", "lane")
    row.add("dropped", 10)
    row.add("dropped_full", 6)
    row.add("dropped_oversize", 1)
    row.add("in", 90)
    row.at_least("high_water", 64)
    now = msgspec.structs.replace(reading(metrics), lanes=(LaneDepth("wide", 3, 64),))
    text = exposition(identity(), now)
    counts = {
        cause: value(text, "lane_dropped_total", 'lane="wide"', f'cause="{cause}"')
        for cause in ("full", "aborted", "oversize", "no_credit", "other")
    }
    assert counts == {"full": 6, "aborted": 0, "oversize": 1, "no_credit": 0, "other": 3}
    assert value(text, "lane_messages_total", 'lane="wide"') == 90
    assert value(text, "lane_high_water_messages", 'lane="wide"') == 64
    assert value(text, "lane_depth_messages", 'lane="wide"') == 3
    assert value(text, "lane_capacity_messages", 'lane="wide"') == 64
    assert "worker_dropped_total" not in text
    row.close()


def test_rate_and_busy_ratio_are_over_the_time_between_two_readings(metrics: MetricsRegion) -> None:
    row = begin(metrics, 0, "parse", "stage")
    row.add("out", 100)
    earlier = reading(metrics, 1_000_000_000)
    row.add("out", 50)
    row.add("busy_ns", 300)
    row.add("idle_ns", 100)
    text = exposition(identity(), reading(metrics, 3_000_000_000), earlier)
    assert value(text, "worker_messages_per_second") == 25
    assert value(text, "worker_busy_ratio") == 0.75
    assert "per_second" not in exposition(identity(), earlier, earlier)
    row.close()


def test_the_latency_histogram_is_cumulative_and_ends_at_the_count(metrics: MetricsRegion) -> None:
    row = begin(metrics, 0, "egress", "sink")
    for ns in (1, 300, 300, 10**12):
        row.latency(ns)
    text = exposition(identity(), reading(metrics))
    buckets = [
        (line.partition(',le="')[2].partition('"')[0], int(line.rpartition(" ")[2]))
        for line in text.splitlines()
        if line.startswith("byteor_worker_latency_seconds_bucket")
    ]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert dict(buckets)["2.56e-07"] == 1
    assert dict(buckets)["5.12e-07"] == 3
    assert dict(buckets)["+Inf"] == value(text, "worker_latency_seconds_count") == 4
    row.close()


@example('a\n"b\\')
@given(st.text(min_size=1, max_size=8))
def test_no_name_breaks_the_format(name: str) -> None:
    text = exposition(identity(name), Reading(taken_ns=1, state="running", rows=()))
    samples = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(samples) == 3
    assert all(SAMPLE.fullmatch(line) for line in samples), samples


def test_a_parser_of_prometheus_itself_reads_the_page(metrics: MetricsRegion) -> None:
    """Names, types, labels, and that buckets, ``_count`` and ``_sum`` belong together, as others see them."""
    parser = pytest.importorskip("prometheus_client.parser")
    row = begin(metrics, 0, 'odd"na\\me', "sink")
    for ns in (1_000, 2_000_000, 30_000_000_000):
        row.latency(ns)
    row.set_state("running")
    begin(metrics, 1, "lane", "lane").close()
    row.close()
    now = msgspec.structs.replace(
        reading(metrics), memory={os.getpid(): 4096}, lanes=(LaneDepth("lane", 3, 64),)
    )
    earlier = msgspec.structs.replace(now, taken_ns=now.taken_ns - 10**9)
    families = {
        family.name: family
        for family in parser.text_string_to_metric_families(exposition(identity(), now, earlier))
    }
    latency = families["byteor_worker_latency_seconds"]
    assert latency.type == "histogram"
    by_suffix = {sample.name.rpartition("_")[2]: sample for sample in latency.samples}
    assert by_suffix["sum"].value == pytest.approx(30.002001)
    assert by_suffix["count"].value == 3
    assert by_suffix["sum"].labels["worker"] == 'odd"na\\me'
    buckets = [sample for sample in latency.samples if sample.name.endswith("_bucket")]
    assert [float(sample.labels["le"]) for sample in buckets] == sorted(
        float(sample.labels["le"]) for sample in buckets
    )
    assert buckets[-1].labels["le"] == "+Inf" and buckets[-1].value == 3
    assert families["byteor_worker_memory_bytes"].samples[0].value == 4096
    assert {family.type for family in families.values()} == {"counter", "gauge", "histogram"}


def test_every_metric_is_announced_once_before_its_samples(metrics: MetricsRegion) -> None:
    rows = [begin(metrics, n, name, role) for n, (name, role) in enumerate([("a", "source"), ("b", "sink")])]
    lines = exposition(identity(), reading(metrics)).splitlines()
    announced = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(announced) == len(set(announced))
    for line in lines:
        if not line.startswith("#"):
            assert line.partition("{")[0] in announced
    for row in rows:
        row.close()


def test_a_degraded_end_is_seen() -> None:
    end = EndHealth("egress", "sink", "tcp:x", False, "reconnecting", "", {"reconnects": 3})
    text = exposition(identity(), Reading(taken_ns=1, state="running", rows=(), ends=(end,)))
    assert value(text, "end_healthy", 'endpoint="egress"', 'role="sink"', 'end="tcp:x"') == 0
    assert value(text, "end_events_total", 'endpoint="egress"', 'event="reconnects"') == 3


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":0", ("127.0.0.1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("host:65535", ("host", 65535)),
    ],
)
def test_an_address_is_loopback_unless_it_says_otherwise(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "nowhere", "host:", "1:65536", ":-1", "host:x", ":٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RunError) as caught:
        parse_address(text)
    assert (caught.value.code, caught.value.exit) == ("E_METRICS_ADDR", 2)


# -- the server


@pytest.fixture
def server(tmp_path: Path, metrics: MetricsRegion) -> Iterator[TelemetryServer]:
    with begin(metrics, 0, "parse", "stage") as row:
        row.add("in", 41)
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    folders.write_identity(run, identity(region_dir=str(tmp_path)))
    with TelemetryServer("0") as made:
        made.serve(run)
        yield made


def ask(server: TelemetryServer, method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.address, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_are_served_and_move_with_the_run(server: TelemetryServer, metrics: MetricsRegion) -> None:
    status, text = ask(server, "GET", "/metrics")
    assert (status, value(text, "worker_messages_in_total")) == (200, 41)
    with metrics.row(0) as row:
        row.add("in", 1)
    assert value(ask(server, "GET", "/metrics")[1], "worker_messages_in_total") == 42


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("HEAD", "/metrics", 200, False),
        ("GET", "/healthz", 200, True),
        ("GET", "/metrics?x=1", 200, True),
        ("GET", "/etc/passwd", 404, True),
        ("POST", "/metrics", 501, True),
        ("DELETE", "/", 501, True),
    ],
)
def test_only_get_and_head_of_known_paths_are_answered(
    server: TelemetryServer, method: str, path: str, status: int, body: bool
) -> None:
    answered, text = ask(server, method, path)
    assert (answered, bool(text)) == (status, body)


def test_clients_that_say_nothing_keep_nobody_else_out_for_long(
    server: TelemetryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byteor.runtime.telemetry_server.CLIENT_S", 0.2)
    host, _, port = server.address.rpartition(":")
    silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(MAX_CLIENTS)]
    for client in silent:
        client.sendall(b"GET /met")
    for client in silent:  # each is hung up on; the read ends only then
        assert client.recv(1) == b""
        client.close()
    assert ask(server, "GET", "/metrics")[0] == 200


def test_a_client_that_sends_a_byte_now_and_then_is_hung_up_on(
    server: TelemetryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byteor.runtime.telemetry_server.CLIENT_S", 0.2)
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=0.05) as client, pytest.raises(OSError):
        for _ in range(60):  # three seconds, were nobody to mind
            client.sendall(b"x")
            try:
                if client.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue
    assert ask(server, "GET", "/metrics")[0] == 200


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\n", b"\0" * 100, b"\xff\xfe GET", b"GET " + b"A" * 70_000, b"GET /metrics HTTP/9.9\r\n" * 500],
)
def test_garbage_ends_neither_the_server_nor_the_run(server: TelemetryServer, garbage: bytes) -> None:
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client, contextlib.suppress(OSError):
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass
    assert ask(server, "GET", "/metrics")[0] == 200


def test_a_port_that_is_taken_is_told_before_anything_starts(server: TelemetryServer) -> None:
    with pytest.raises(RunError) as caught:
        TelemetryServer(server.address)
    assert caught.value.code == "E_METRICS_ADDR"
    assert os.strerror(98) in caught.value.message
