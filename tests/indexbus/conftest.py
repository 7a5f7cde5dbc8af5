"""Fixtures of the transport's tests: a private folder in shared memory, both kernels, helper processes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("worker.py")

# Test folders are no packages; this is how the tests get at the worker's code: ``import indexbus_worker``.
_spec = importlib.util.spec_from_file_location("indexbus_worker", WORKER)
assert _spec is not None and _spec.loader is not None
_worker = sys.modules["indexbus_worker"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_worker)


KERNELS = _worker.kernel_names()
PAIRS = _worker.kernel_pairs()
PREFIX = "byteor-test-"


def _given(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the test lists its own values of ``name``."""
    marks = metafunc.definition.iter_markers("parametrize")
    return any(name in (mark.args[0] if isinstance(mark.args[0], tuple) else ()) for mark in marks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernel_pair" in metafunc.fixturenames and not _given(metafunc, "kernel_pair"):
        metafunc.parametrize("kernel_pair", PAIRS, ids=["-".join(pair) for pair in PAIRS])
    if "kernel_name" in metafunc.fixturenames:
        metafunc.parametrize("kernel_name", KERNELS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The twin has no MPSC: those cases do not exist."""
    items[:] = [item for item in items if not _is_mpsc_of_the_twin(item)]


def _is_mpsc_of_the_twin(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("ends") == "mpsc" and params.get("kernel_name") == "pure"


@pytest.fixture(scope="session", autouse=True)
def shm_of_the_session() -> Iterator[Path]:
    """All folders of a session in one that names its process: the next clears up after a killed one."""
    _worker.clear_after_the_dead(PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir="/dev/shm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYTEOR_TEST_SHM", str(folder))
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shm(shm_of_the_session: Path) -> Iterator[Path]:
    """A folder in /dev/shm that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir=shm_of_the_session))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start ``worker.py`` with arguments; every process is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
