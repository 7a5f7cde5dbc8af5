"""Gather an incident's evidence from a run, live, hung or dead, and write the bundle."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from byteor.acts.audit import record
from byteor.acts.captures import captures_folder
from byteor.acts.host_key import bundle_salt, host_signer
from byteor.acts.incidents import (
    BUNDLE_SUFFIX,
    entry_of,
    incidents_folder,
    link,
    new_incident_id,
    open_incident,
    safe_title,
)
from byteor.acts.pre_roll import with_pre_roll
from byteor.atomic import private_folder
from byteor.errors import ByteorError, Exit
from byteor.incident import evidence
from byteor.incident.bundle.members import (
    CONFIG,
    CONSOLE,
    ENVIRONMENT,
    GRAPH_STATE,
    POLICY,
    RING_STATE,
    RUNTIME,
    SPEC,
    TIMELINE,
    UNLISTED,
    VALIDATION,
)
from byteor.incident.bundle.reader import Bundle
from byteor.incident.bundle.writer import write_bundle
from byteor.incident.recording import Recording, open_capture
from byteor.incident.redact import Redactor
from byteor.incident.replay.inputs import Range
from byteor.incident.slice import SLICE_BYTES, capture_member, journal_members, newest_range
from byteor.incident.timeline import events_of_entries, timeline_document
from byteor.runtime import folders
from byteor.runtime.folders import RunInfo, find_run
from byteor.runtime.snapshot import take_snapshot
from byteor.settings_files import settings_files
from byteor.spec import check_document, read_document
from byteor.spec.describe import describe
from byteor_store import AuditLog, audit_path

SPEC_OF_RUN = folders.SPEC_KV
POLICY_FILE = "policy_audit.json"
SEEN_BYTES = 2 << 20


class Bundled(msgspec.Struct, frozen=True):
    """``sha256`` is that of the zip file, or of the manifest where the bundle is a folder."""

    incident_id: str
    path: Path
    files: tuple[str, ...]
    sha256: str
    audit_seq: int


def bundle_run(
    which: str | None,
    out: Path | None = None,
    *,
    cause: str = "asked for",
    slice_bytes: int = SLICE_BYTES,
    seen: Path | None = None,
) -> Bundled:
    """Bundle the run ``which`` (None: the newest) to ``out``: a new folder, a ``.zip`` file, or a folder that
    is there, into which a zip goes; this host's folder of incidents when absent. ``seen`` is a recording of
    what somebody saw in the console.

    Raises ``E_RUN_NOT_FOUND``, ``E_BUNDLE_LIMIT``, ``E_SEEN``, ``E_EXISTS``, ``OSError``.
    """
    info = find_run(which)
    more = {} if seen is None else {CONSOLE: read_seen(seen)}
    return bundle_info(info, out, cause=cause, slice_bytes=slice_bytes, more=more)


def bundle_info(
    info: RunInfo,
    out: Path | None,
    *,
    cause: str,
    slice_bytes: int = SLICE_BYTES,
    more: Mapping[str, bytes] | None = None,
) -> Bundled:
    """As ``bundle_run``, of a run that was found already; ``more`` are members by name."""
    incident_id = new_incident_id()
    path = _place(out, incident_id)
    redactor = Redactor(bundle_salt())
    identity = info.identity
    open_incident(identity, incident_id, _title(info), cause)
    members = _members(info, redactor, incident_id, cause, slice_bytes) | dict(more or {})
    manifest = write_bundle(
        path,
        members,
        host_signer(),
        incident_id=incident_id,
        run_id=identity.run_id,
        spec_hash="sha256:" + hashlib.sha256(members[SPEC]).hexdigest(),
        created_unix_ms=time.time_ns() // 1_000_000,
    )
    manifest_path = path / "manifest.json" if path.is_dir() else path
    digest = hashlib.sha256(manifest_path.read_bytes()).hexdigest()
    link(incident_id, "bundle", str(path))
    seq = record("bundle_written", identity, {"incident": incident_id, "sha256": digest, "cause": cause})
    return Bundled(incident_id, path, tuple(file.path for file in manifest.files), digest, seq)


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the console's recording: rows that changed."""

    at: int
    screen: str
    size: tuple[int, int]
    lines: dict[str, str]


def read_seen(path: Path) -> bytes:
    """A console's recording, line by line what it is said to be. Raises ``E_SEEN``, ``OSError``."""
    with path.open("rb") as file:
        data = file.read(SEEN_BYTES + 1)
    if len(data) > SEEN_BYTES:
        raise _not_seen(path, f"is larger than {SEEN_BYTES >> 20} MiB")
    try:
        lines = [msgspec.json.decode(line, type=_Seen) for line in data.splitlines()]
    except ValueError as error:
        raise _not_seen(path, f"is no recording of the console: {error}") from None
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _not_seen(path: Path, what: str) -> ByteorError:
    return ByteorError("E_SEEN", f"{path} {what}", hint="i in the console makes one", exit=Exit.INVALID)


def bundle_part(recording: Recording, bundle: Bundle | None, wanted: Range, out: Path) -> None:
    """Write some of the inputs of ``recording`` as a bundle: with the evidence of the ``bundle`` that it lies
    in, else with that of its run. Raises ``E_RUN_NOT_FOUND`` when nothing is left of the run.
    """
    redactor = Redactor(bundle_salt())
    part = journal_members(recording, wanted)
    incident_id = new_incident_id()
    if bundle is not None:
        members = {name: bundle.read(name) for name in bundle.sizes if _is_evidence(name)}
    else:
        info = find_run(recording.facts.run_id)
        members = _members(info, redactor, incident_id, "smallest input that diverges", None)
        members |= capture_member(recording.facts, redactor)
    write_bundle(
        out,
        {**members, **part},
        host_signer(),
        incident_id=incident_id,
        run_id=recording.facts.run_id,
        spec_hash=recording.facts.spec_hash,
        created_unix_ms=time.time_ns() // 1_000_000,
    )


def _is_evidence(name: str) -> bool:
    return name not in UNLISTED and not name.startswith("journal/")


def _place(out: Path | None, incident_id: str) -> Path:
    if out is None:
        return incidents_folder() / f"{incident_id}{BUNDLE_SUFFIX}"
    path = out / f"{incident_id}{BUNDLE_SUFFIX}" if out.is_dir() else out
    private_folder(path.parent) if not path.parent.exists() else None
    return path.resolve()


def _title(info: RunInfo) -> str:
    failure = info.result.first_failure if info.result else None
    if failure is None:
        return f"{info.identity.name}: {info.state}"
    return safe_title(f"{info.identity.name}: {failure.stage} failed with {failure.code}: {failure.error}")


def _members(
    info: RunInfo, redactor: Redactor, incident_id: str, cause: str, slice_bytes: int | None
) -> dict[str, bytes]:
    identity, folder = info.identity, Path(info.folder)
    spec = _spec_text(info)
    entries = _entries(identity.run_id)
    members = {
        SPEC: spec,
        VALIDATION: _validation(folder),
        RUNTIME: evidence.runtime(identity, info.result, info.state, redactor),
        POLICY: evidence.policy(identity, _json_file(folder / POLICY_FILE), _decisions(entries), None),
        ENVIRONMENT: evidence.environment(identity.pid, info.alive, redactor),
        TIMELINE: timeline_document(events_of_entries(entries), incident_id=incident_id, cause=cause),
    }
    with contextlib.suppress(ByteorError, OSError):  # its regions may have gone
        name = GRAPH_STATE if identity.model == "lane_graph" else RING_STATE
        members[name] = with_pre_roll(take_snapshot(info), identity.run_id)
    if (config := _config(redactor)) is not None:
        members[CONFIG] = config
    if slice_bytes is None:
        return members
    with contextlib.suppress(ByteorError):
        recording = open_capture(captures_folder() / identity.run_id)
        members |= capture_member(recording.facts, redactor)
        members |= journal_members(recording, newest_range(recording, slice_bytes))
    return members


def _spec_text(info: RunInfo) -> bytes:
    """The canonical spec that ran: from the run folder, else from its capture. Raises ``OSError``."""
    try:
        return (Path(info.folder) / SPEC_OF_RUN).read_bytes()
    except FileNotFoundError:
        return (captures_folder() / info.identity.run_id / SPEC_OF_RUN).read_bytes()


def _validation(folder: Path) -> bytes:
    path = folder / SPEC_OF_RUN
    try:
        report = check_document(read_document(path))
        return evidence.validation(describe(report), None)
    except ByteorError as error:
        return evidence.validation(None, f"{error.code}: {error.message}")


def _entries(run_id: str) -> list[Any]:
    with AuditLog.observe(audit_path()) as log:
        return [entry_of(row) for row in log.rows(run_id=run_id)]


def _decisions(entries: list[Any]) -> list[Mapping[str, Any]]:
    return [
        {"seq": entry.seq, "ts_unix_ns": str(entry.ts_unix_ns), **(entry.body or {})}
        for entry in entries
        if entry.action in ("policy_decision", "action_decided")
    ]


def _json_file(path: Path) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _config(redactor: Redactor) -> bytes | None:
    import os

    shown = []
    for path in settings_files(os.environ, None, Path.cwd()):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            shown.append(f"# {path.name}\n{redactor.settings_file(path.read_text())}")
    return "".join(shown).encode() or None
