"""A log is read where SQLite cannot make its side files: a full disk, a read-only mount."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from byteor_store import AuditLog, Event, verify
from byteor_store import at_rest as at_rest_module
from byteor_store.at_rest import open_at_rest
from byteor_store.database import checksum_vfs
from byteor_store.errors import StoreError

DIES = """
import os, sys
from pathlib import Path
from byteor_store import AuditLog, Event
log = AuditLog.open(Path(sys.argv[1]))
for number in range(3):
    log.append(Event(action="run_started", actor="user:op", run_id=f"r{number}"))
os._exit(0)
"""
FULL = 'head -c 1M /dev/zero > "$2/fill" 2>/dev/null || true'
READ_ONLY = 'mount -o remount,ro "$2"'


def in_use(path: Path) -> None:
    """A log whose newest entries lie in its WAL, of a writer that is gone."""
    subprocess.run([sys.executable, "-c", DIES, path], check=True, timeout=60)
    assert path.with_name("audit.db-wal").stat().st_size > 0


def beside(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("disk", [FULL, READ_ONLY])
def test_a_log_on_a_full_or_read_only_disk_is_read(path: Path, tmp_path: Path, disk: str, wal: bool) -> None:
    in_use(path)
    if not wal:
        with AuditLog.open(path):
            pass  # what closes last puts it into the file
        assert beside(path).isdisjoint({"audit.db-wal", "audit.db-shm"})
    small = tmp_path / "small"
    small.mkdir()
    script = f"""set -e; mount -t tmpfs -o size=512k,mode=700 tmpfs "$2"; cp "$1/audit.db" "$2"
        if [ -e "$1/audit.db-wal" ]; then cp "$1/audit.db-wal" "$2"; fi
        {disk}; shift; cd /; exec "$2" -m byteor audit verify "$1/audit.db" """
    apart = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*apart, path.parent, small, sys.executable],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "intact: 3 entries" in done.stdout
    assert not list(tmp_path.glob("byteor-audit-*"))


def test_a_copy_is_of_one_moment_although_a_writer_begins(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_use(path)
    digest, disturbed = at_rest_module._digest, []

    def written_meanwhile(file: Path) -> bytes:
        if not disturbed:
            disturbed.append(file)
            with AuditLog.open(path) as log:  # its end puts the WAL into the file
                log.append(Event(action="run_started", actor="user:op", run_id="late"))
        return digest(file)

    monkeypatch.setattr(at_rest_module, "_digest", written_meanwhile)
    connection = open_at_rest(path, checksum_vfs())
    assert connection.execute("SELECT count(*) FROM entries").fetchone() == (4,)
    connection.close()
    assert disturbed and verify(path).ok


def test_a_log_that_never_stands_still_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(path)
    monkeypatch.setattr(at_rest_module, "_digest", lambda file: os.urandom(32))
    monkeypatch.setattr(at_rest_module, "PAUSE_S", 0)
    with pytest.raises(StoreError) as caught:
        open_at_rest(path, checksum_vfs())
    assert caught.value.code == "E_AUDIT_BUSY"
