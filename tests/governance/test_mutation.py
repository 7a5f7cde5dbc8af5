"""The tests of policy, credentials, quorum and log kill what changes their meaning: run with ``-m campaign``.

    BYTEOR_MODULE=byteor/governance/policy .venv/bin/pytest -m campaign tests/governance/test_mutation.py -s

Each mutant takes the place of its module in a copy of the tree; the module's own tests run in
a process of their own and must fail. BYTEOR_MODULE picks one module; without it all of them run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOVERNANCE, STORE = "byteor/governance", "store/byteor_store"
TESTS = {
    f"{GOVERNANCE}/policy": ["test_policy.py"],
    f"{GOVERNANCE}/credential": ["test_credential.py", "test_keyset.py"],
    f"{GOVERNANCE}/quorum": ["test_quorum.py"],
    f"{GOVERNANCE}/keyset": ["test_keyset.py", "test_credential.py"],
    f"{GOVERNANCE}/approval": ["test_approval.py", "test_emergency.py"],
    f"{GOVERNANCE}/companion": ["test_approval.py"],
    f"{GOVERNANCE}/request": ["test_request.py"],
    f"{GOVERNANCE}/revocation": ["test_revocation.py"],
    f"{GOVERNANCE}/break_glass": ["test_emergency.py"],
    f"{GOVERNANCE}/freeze": ["test_emergency.py"],
    f"{GOVERNANCE}/allow_list": ["test_allow_list.py"],
    f"{GOVERNANCE}/edwards": ["test_edwards.py"],
    f"{GOVERNANCE}/canonical": ["test_canonical.py", "test_credential.py"],
    f"{STORE}/merkle": ["test_merkle.py"],
    f"{STORE}/checkpoint": ["test_checkpoint.py", "test_cosignature.py"],
    f"{STORE}/cosignature": ["test_cosignature.py"],
    f"{STORE}/verify": ["test_verify.py", "test_attacks.py", "test_checkpoint.py"],
}
KILLED_AT_LEAST = 0.98
HANGS_AFTER_S = 8  # tests that pass need two or three seconds; a mutant that loops for ever is killed


def _mutants(source: str) -> list[tuple[int, str, str]]:
    spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return list(module.mutants(source))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """byteor, its store, and the tests of governance, in a tree where a module can be broken."""
    tree = tmp_path_factory.mktemp("tree")
    copies = (
        "byteor",
        "store/byteor_store",
        "tests/governance",
        "tests/store",
        "tests/data",
        "tests/support",
    )
    for name in copies:
        shutil.copytree(
            ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "test_mutation.py")
        )
    return tree


def survives(tree: Path, tests: list[str]) -> bool:
    """Whether the tests still pass, in a fork that has the libraries loaded already. A hang is noticed."""
    child = os.fork()
    if child == 0:
        os._exit(_run_in_child(tree, tests))
    deadline = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_in_child(tree: Path, tests: list[str]) -> int:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for name in [name for name in sys.modules if name.split(".")[0] in ("byteor", "byteor_store", "tests")]:
        del sys.modules[name]
    sys.path[:0] = [str(tree), str(tree / "store"), str(tree / "tests/support")]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
    sys.dont_write_bytecode = True
    os.chdir(tree)
    words = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--import-mode=importlib",
        "-c",
        "/dev/null",
    ]
    words += ["-m", "not campaign", "--rootdir", str(tree), "-W", "ignore"]
    try:
        return int(pytest.main([*words, *(str(tree / name) for name in tests)]))
    except BaseException:  # noqa: BLE001  (a module that does not even import is a killed mutant)
        return 1


@pytest.mark.campaign
@pytest.mark.parametrize(
    "module", [os.environ["BYTEOR_MODULE"]] if "BYTEOR_MODULE" in os.environ else list(TESTS)
)
def test_mutants_are_killed(module: str, copied: Path) -> None:
    place = copied / f"{module}.py"
    source = place.read_text()
    folder = "tests/store" if module.startswith(STORE) else "tests/governance"
    tests = [f"{folder}/{name}" for name in TESTS[module]]
    if folder == "tests/governance":
        tests.append(f"{folder}/test_structs.py")
    assert survives(copied, tests), "the tests must pass on the unchanged module"
    found, alive = _mutants(source), []
    try:
        for line, what, changed in found:
            place.write_text(changed)
            if survives(copied, tests):
                alive.append(f"{module}.py:{line}: {what}: {source.splitlines()[line - 1].strip()}")
                print(alive[-1], flush=True)
    finally:
        place.write_text(source)
    killed = len(found) - len(alive)
    print(f"\n{module}: {killed} of {len(found)} mutants killed", *alive, sep="\n  ")
    assert killed >= KILLED_AT_LEAST * len(found)
