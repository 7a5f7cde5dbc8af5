"""The documents of a bundle as functions of what was found: nothing is read here but /proc of one process."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor._version import __version__
from byteor.incident.redact import Redactor
from byteor.runtime.folders import RunIdentity, RunResult

STATUS_KEYS = (
    "Name", "State", "Threads", "VmPeak", "VmRSS", "VmSwap", "SigPnd", "SigBlk", "SigIgn", "SigCgt",
    "Cpus_allowed_list", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
)  # fmt: skip
POLICY_VERSION = 1


def document(value: object) -> bytes:
    """``value`` as the indented JSON of a member."""
    return msgspec.json.format(msgspec.json.encode(value))


def validation(description: Mapping[str, Any] | None, error: str | None) -> bytes:
    """``spec_validation.json``."""
    if error is not None:
        return document({"ok": False, "error": error})
    return document({"ok": True, "description": description})


def runtime(identity: RunIdentity, result: RunResult | None, state: str, redactor: Redactor) -> bytes:
    """``runtime.json``: which program ran what, and how it ended."""
    shown = msgspec.to_builtins(identity)
    for end in ("source", "sink"):
        if end in shown:
            shown[end] = " ".join(redactor.endpoint(one) for one in shown[end].split(" "))
    for worker in shown["workers"]:
        if worker["role"] in ("source", "sink"):
            worker["key"] = redactor.endpoint(worker["key"]) if worker["key"] else ""
    return document(
        {
            "package": {"name": "byteor", "version": identity.version or __version__},
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "kernel": f"{platform.system()} {platform.release()}",
            "machine": platform.machine(),
            "indexbus_kernel": identity.kernel,
            "state": state,
            "run": shown,
            "result": msgspec.to_builtins(result),
        }
    )


def policy(
    identity: RunIdentity,
    found: Mapping[str, Any] | None,
    decisions: Sequence[Mapping[str, Any]],
    spec_path: str | None,
) -> bytes:
    """``policy_audit.json``: what ``byteor run`` wrote, if it did, completed to the form of the contract."""
    return document(
        {
            "ok": True,
            "policy_version": POLICY_VERSION,
            "mode": "run",
            "enforced": True,
            "stage_failure_policy": "stop_pipeline",
            "spec_path": spec_path,
            "lane_path": identity.region_dir,
            "wait": None,
            "runtime_package": {"name": "byteor", "version": identity.version or __version__},
            "spec": {"model": identity.model, "name": identity.pipeline, "spec_hash": identity.spec_hash},
            "env": identity.env,
            "decisions": list(decisions),
            **(found or {}),
        }
    )


def environment(pid: int, alive: bool, redactor: Redactor) -> bytes:
    """``environment.json``: the supervisor as the kernel shows it; nulls once it has gone."""
    if not alive:
        return document({"pid": pid, "alive": False, "cwd": None, "args": [], "env": {}, "proc_status": None})
    folder = Path("/proc", str(pid))
    return document(
        {
            "pid": pid,
            "alive": True,
            "cwd": redactor.digest(_link(folder / "cwd")),
            "args": redactor.arguments(_words(folder / "cmdline")),
            "env": redactor.environment(
                dict(word.split("=", 1) for word in _words(folder / "environ") if "=" in word)
            ),
            "proc_status": _status(folder / "status"),
        }
    )


def _words(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError:
        return []
    return [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0") if word]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _status(path: Path) -> dict[str, str] | None:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    lines = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in lines if key in STATUS_KEYS}
