"""A metrics row has one writer; the row of a lane has the lane's producers."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from byteor.indexbus import Events, IndexBusError, MetricsRegion


@pytest.fixture
def metrics(shm: Path) -> MetricsRegion:
    return MetricsRegion.create(shm / "metrics", 3)


def refused(region: MetricsRegion, index: int, *, shared: bool = False) -> bool:
    try:
        region.row(index, shared=shared).close()
    except IndexBusError as error:
        assert error.code == "E_ROLE_TAKEN"
        return True
    return False


def in_thread(region: MetricsRegion, index: int) -> bool:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(refused(region, index)))
    thread.start()
    thread.join()
    return found[0]


def in_process(path: Path, index: int) -> bool:
    """Whether another process is refused the row."""
    child = os.fork()
    if child == 0:
        os._exit(int(refused(MetricsRegion.open(path), index)))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_second_writer_of_a_row_is_refused_until_the_first_has_left(
    metrics: MetricsRegion, shm: Path
) -> None:
    row = metrics.row(1)
    other = MetricsRegion.open(shm / "metrics")
    assert refused(metrics, 1)
    assert in_thread(metrics, 1)
    assert in_thread(other, 1)
    assert in_process(shm / "metrics", 1)
    assert not refused(other, 0)
    row.close()
    row.close()
    assert not in_thread(metrics, 1)
    assert not in_process(shm / "metrics", 1)


def test_the_row_of_a_killed_writer_is_free(metrics: MetricsRegion, shm: Path) -> None:
    ready, wrote = os.pipe()
    child = os.fork()
    if child == 0:
        row = MetricsRegion.open(shm / "metrics").row(2)
        row.begin("doomed", "", "stage", "process")
        os.write(wrote, b"x")
        threading.Event().wait()
    os.read(ready, 1)
    assert refused(metrics, 2)
    os.kill(child, 9)
    os.waitpid(child, 0)
    with metrics.row(2) as row:
        row.add("in", 3)
    (sample,) = metrics.rows()
    assert (sample.name, sample.taken) == ("doomed", 3)


def test_a_forked_child_does_not_keep_its_parents_row(metrics: MetricsRegion, shm: Path) -> None:
    row = metrics.row(0)
    go_on, may_end = os.pipe()
    child = os.fork()
    if child == 0:
        row.close()
        os.read(go_on, 1)
        os._exit(0)
    try:
        assert refused(MetricsRegion.open(shm / "metrics"), 0)  # the child's close was not the parent's
        row.close()
        assert not refused(MetricsRegion.open(shm / "metrics"), 0)
    finally:
        os.write(may_end, b"x")
        os.waitpid(child, 0)


def test_the_producers_of_a_lane_share_its_row(metrics: MetricsRegion, shm: Path) -> None:
    other = MetricsRegion.open(shm / "metrics")
    first, second, third = metrics.row(0, shared=True), metrics.row(0, shared=True), other.row(0, shared=True)
    assert refused(metrics, 0)
    assert refused(MetricsRegion.open(shm / "metrics"), 0)
    first.close()
    second.close()
    assert refused(metrics, 0)
    third.close()
    with metrics.row(0):
        assert refused(metrics, 0, shared=True)
        assert refused(other, 0, shared=True)


def test_a_row_stays_with_the_handle_that_counts_into_it(
    metrics: MetricsRegion, shm: Path, kernel_name: str
) -> None:
    lane = Events.create(shm / "lane", capacity=8, slot_bytes=16, kernel=kernel_name)
    with lane.producer() as producer:
        producer.attach_row(metrics.row(0))
        producer.attach_lane_row(metrics.row(1, shared=True))
        gc.collect()
        assert refused(metrics, 0)
        assert refused(metrics, 1)
        producer.attach_row(None)
        assert not refused(metrics, 0)
    assert not refused(metrics, 1)


def test_rows_outlive_the_region_they_were_taken_from(metrics: MetricsRegion, shm: Path) -> None:
    row = metrics.row(0)
    metrics.close()
    other = MetricsRegion.open(shm / "metrics")
    assert refused(other, 0)
    row.add("in")
    row.close()
    assert not refused(other, 0)


def test_an_observer_gets_no_row(metrics: MetricsRegion, shm: Path) -> None:
    with pytest.raises(IndexBusError) as caught:
        MetricsRegion.observe(shm / "metrics").row(0)
    assert caught.value.code == "E_CLOSED"
