"""Runs as they lie on the disk, without any run: identities and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byteor.runtime import folders
from byteor.runtime.folders import RunIdentity
from byteor.runtime.process import boot_id, myself


def identity(name: str = "pipe", **given: Any) -> RunIdentity:
    """A run of this very process; ``given`` says what is else."""
    pid, start = myself()
    fields: dict[str, Any] = {
        "v": 1,
        "run_id": f"{name}-1",
        "name": name,
        "pipeline": name,
        "spec_hash": "sha256:00",
        "model": "single_ring",
        "env": "dev",
        "pid": pid,
        "pid_start_time": start,
        "boot_id": boot_id(),
        "started_unix_ns": 1,
        "region_dir": "",
        "source": "null:",
        "sink": "null:",
        "kernel": "native",
        "workers": (),
    }
    return RunIdentity(**fields | given)


def run_folder(runtime: Path, name: str = "pipe", **given: Any) -> Path:
    """A new run folder with its ``run.json``."""
    run_id = folders.new_run_id(name)
    run, regions = folders.create(run_id, runtime)
    folders.write_identity(run, identity(name, run_id=run_id, region_dir=str(regions), **given))
    return run
