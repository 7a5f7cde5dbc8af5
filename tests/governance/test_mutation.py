"""The tests of policy, credentials, quorum and log kill what changes their meaning: run with ``-m campaign``.

    BYTEOR_MODULE=byteor/governance/policy .venv/bin/pytest -m campaign tests/governance/test_mutation.py -s

The module's own tests are collected once and run once, to see which of them pass through which line. Each
mutant then lives in a fork, where its code takes the place of the module's: only tests that reach the changed
line run, the quickest first, up to the first that fails. A mutant outside of every function is imported anew.
BYTEOR_MODULE picks one module; without it all of them run.
"""

from __future__ import annotations

import os
import subprocess
import sys
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
    f"{GOVERNANCE}/companion": ["test_approval.py", "test_answers.py"],
    f"{GOVERNANCE}/request": ["test_request.py"],
    f"{GOVERNANCE}/revocation": ["test_revocation.py"],
    f"{GOVERNANCE}/break_glass": ["test_emergency.py"],
    f"{GOVERNANCE}/freeze": ["test_emergency.py"],
    f"{GOVERNANCE}/allow_list": ["test_allow_list.py"],
    f"{GOVERNANCE}/edwards": ["test_edwards.py"],
    f"{GOVERNANCE}/canonical": [
        "test_canonical.py",
        "test_request.py",
        "test_keyset.py",
        "test_credential.py",
    ],
    f"{GOVERNANCE}/requester": ["test_requester.py"],
    f"{GOVERNANCE}/lift": ["test_emergency.py"],
    f"{STORE}/merkle": ["test_merkle.py"],
    f"{STORE}/checkpoint": ["test_checkpoint.py", "test_cosignature.py"],
    f"{STORE}/cosignature": ["test_cosignature.py"],
    f"{STORE}/verify": [
        "test_verify.py",
        "test_verdicts.py",
        "test_attacks.py",
        "test_checkpoint.py",
        "test_parts.py",
        "test_audit.py",
        "../cli/test_backup.py",
    ],
    f"{STORE}/indexes": ["test_parts.py"],
}
KILLED_AT_LEAST = 0.98
# Mutants that answer as the module does; why stands in docs/governance.md, "How it is tested".
SAME = (
    'operand 0 left out: if "|" in program or exec_program(program) != program',
    "True -> False: raw = base64.b64decode(text, validate=True)",
    "condition never: if _TIME.fullmatch(text) is None",
    "Sub -> Add: x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P",
    'condition never: if found.problem is None or found.problem.code not in ("E_ROLLBACK", "E_ROOT"):',
    'operand 1 left out: if found.problem is None or found.problem.code not in ("E_ROLLBACK", "E_ROOT"):',
    "operand 0 left out: if len(kept) == len(witnesses) or not _verified(path, kept, key).ok:",
    "operand 0 left out: if not _all_right(batch, tree) and (problem := _first_wrong(batch, tree, gone))",
    "Or -> And: if body is None or salt is None:",
    "operand 0 left out: if body is None or salt is None:",
    "operand 1 left out: if body is None or salt is None:",
    "condition never: or damage(LOOKED_AT if in_parts else None)",
    "condition never: or (None if in_parts else _other_index(connection, version))",
)


@pytest.mark.campaign
@pytest.mark.parametrize(
    "module", [os.environ["BYTEOR_MODULE"]] if "BYTEOR_MODULE" in os.environ else list(TESTS)
)
def test_mutants_are_killed(module: str) -> None:
    folder = ROOT / ("tests/store" if module.startswith(STORE) else "tests/governance")
    tests = [str(folder / name) for name in TESTS[module]]
    if folder.name == "governance":
        tests.append(str(folder / "test_structs.py"))
    words = [sys.executable, str(Path(__file__).with_name("mutation_run.py")), f"{module}.py", *tests]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    *alive, summary = done.stdout.splitlines()
    alive = [one for one in alive if not any(line in one for line in SAME)]
    found = int(summary.split()[1])
    killed = found - len(alive)
    print(f"\n{module}: {killed} of {found} mutants killed", *alive, sep="\n  ")
    assert killed >= KILLED_AT_LEAST * found
