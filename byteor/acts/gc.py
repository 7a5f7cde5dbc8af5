"""Remove what ended runs left on disk and in shared memory; note in the audit log those that were killed."""

from __future__ import annotations

import shutil

from byteor.acts.audit import record_missed
from byteor.runtime.folders import list_runs, orphaned_regions, remove_run, runtime_dir
from byteor.runtime.runlog import abandoned_logs


def collect(*, dry_run: bool) -> list[str]:
    """The ids of the runs, and the region folders without one, that were (or would be) removed."""
    ended = [info for info in list_runs() if info.ours and not info.alive]
    if not dry_run:
        for info in ended:
            record_missed(info)
            remove_run(info)
    logs = abandoned_logs(runtime_dir())
    if not dry_run:
        for log in logs:
            log.unlink(missing_ok=True)
    orphans = orphaned_regions()
    if not dry_run:
        for regions, run in orphans:
            shutil.rmtree(regions)
            if run.parent == runtime_dir().resolve():  # what owner.json says is not followed elsewhere
                shutil.rmtree(run, ignore_errors=True)
    found = [info.identity.run_id for info in ended] + [str(regions) for regions, _ in orphans]
    return found + [str(log) for log in logs]
