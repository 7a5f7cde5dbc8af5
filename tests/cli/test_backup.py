"""byteor audit backup and restore: what was lost is told, and told apart from a rollback."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from terminal import Terminal

from byteor_store import AuditLog, Event, audit_path


def append(count: int) -> None:
    with AuditLog.open(audit_path()) as log:
        log.append_many([Event(action="act", actor="user:op", body={"n": n}) for n in range(count)])


def witness(terminal: Terminal) -> tuple[str, str]:
    found = terminal.good("audit", "verify")
    return "--witness", f"{found['size']}:{found['root']}"


def test_a_copy_is_one_private_file_that_verifies(terminal: Terminal) -> None:
    append(5)
    made = terminal.good("audit", "backup", "-o", "copy.db")
    assert Path("copy.db").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path().glob("*copy*")] == ["copy.db"]
    found = terminal.good("audit", "verify", "copy.db", "--witness", f"{made['size']}:{made['root']}")
    assert (found["ok"], found["size"], found["witnessed"]) == (True, 5, True)
    assert terminal.run("audit", "backup", "-o", "copy.db")[1]["code"] == "E_AUDIT_EXISTS"


def test_a_restored_log_says_so_and_a_rolled_back_one_does_not(terminal: Terminal) -> None:
    append(5)
    terminal.good("audit", "backup", "-o", "copy.db")
    early = witness(terminal)
    append(5)
    late = witness(terminal)
    told = terminal.good("audit", "restore", "copy.db")
    assert told["audit_seq"] == 5
    assert terminal.good("audit", "verify")["ok"]
    assert terminal.good("audit", "verify", *early)["witnessed"]
    code, found = terminal.run("audit", "verify", *late)
    assert (code, found["code"], found["first_bad_seq"]) == (9, "E_RESTORED", 5)
    assert "entries 5 to 9 are gone" in found["detail"]
    append(20)
    assert terminal.run("audit", "verify", *late)[1]["code"] == "E_RESTORED"
    assert terminal.good("audit", "verify", told["aside"], *late)["ok"]
    # Rolled back by hand, nothing speaks for it.
    for path in audit_path().parent.glob("audit.db*"):
        if "replaced" not in path.name:
            path.unlink()
    shutil.copy("copy.db", audit_path())
    assert terminal.run("audit", "verify", *late)[1]["code"] == "E_ROLLBACK"


def test_a_restore_entry_excuses_only_what_it_names(terminal: Terminal) -> None:
    append(5)
    terminal.good("audit", "backup", "-o", "copy.db")
    append(5)
    terminal.good("audit", "restore", "copy.db")
    append(10)
    after = witness(terminal)
    for path in audit_path().parent.glob("audit.db*"):
        if "replaced" not in path.name:
            path.unlink()
    shutil.copy("copy.db", audit_path())
    append(2)
    assert terminal.run("audit", "verify", *after)[1]["code"] == "E_ROLLBACK"
    assert terminal.run("audit", "verify", "--witness", "3:" + "0" * 64)[1]["code"] == "E_ROOT"


def test_what_is_not_intact_is_not_put_back(terminal: Terminal) -> None:
    append(5)
    terminal.good("audit", "backup", "-o", "copy.db")
    before = audit_path().read_bytes()
    data: Any = bytearray(Path("copy.db").read_bytes())
    at = data.rindex(b'"n":3')
    data[at + 4] ^= 1
    Path("copy.db").write_bytes(data)
    code, told = terminal.run("audit", "restore", "copy.db")
    assert (code, told["code"]) == (9, "E_AUDIT_RESTORE")
    assert audit_path().read_bytes() == before
