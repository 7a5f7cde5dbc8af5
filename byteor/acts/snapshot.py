"""Take a snapshot of a run and note it in the audit log."""

from __future__ import annotations

from pathlib import Path

import msgspec

from byteor.acts.audit import record
from byteor.acts.pre_roll import with_pre_roll
from byteor.atomic import write_file
from byteor.runtime.folders import find_run
from byteor.runtime.snapshot import take_snapshot


class TakenSnapshot(msgspec.Struct, frozen=True):
    """``document`` is the JSON text; ``path`` where it was written, if it was."""

    run_id: str
    document: bytes
    path: Path | None
    audit_seq: int


def snapshot(which: str | None, out: Path | None = None) -> TakenSnapshot:
    """Snapshot the run ``which`` (id or name; None: the newest) to ``out``, a file or a folder.

    Raises ``RunError`` when there is no such run; ``OSError`` when ``out`` cannot be written.
    """
    info = find_run(which)
    document = with_pre_roll(take_snapshot(info), info.identity.run_id)
    if out is not None and out.is_dir():
        out = out / f"{info.identity.run_id}.snapshot.json"
    if out is not None:
        write_file(out, document)
        out = out.resolve()
    seq = record("snapshot_taken", info.identity, {"path": str(out) if out else None, "bytes": len(document)})
    return TakenSnapshot(info.identity.run_id, document, out, seq)
