"""Remove what ended runs left on disk and in shared memory; note in the audit log those that were killed."""

from __future__ import annotations

from byteor.acts.audit import record_killed
from byteor.runtime.folders import list_runs, remove_run


def collect(*, dry_run: bool) -> list[str]:
    """The ids of the runs that were (or with ``dry_run`` would be) removed, newest first."""
    ended = [info for info in list_runs() if not info.alive]
    if not dry_run:
        for info in ended:
            record_killed(info)
            remove_run(info)
    return [info.identity.run_id for info in ended]
