"""replay_audit.json and the certificate: what was replayed, under which policy, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec

from byteor.governance.private_key import Signer
from byteor.incident.recording import Recording
from byteor.incident.replay.compare import Counts
from byteor.incident.replay.session import Replayed, Told
from byteor.incident.replay.trace import COUNTERS
from byteor.incident.signing import CERTIFICATE, sign

MAX_SHOWN = 4096  # bytes of an output in hex


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a host states of one replay. Two replays of one recording differ only in time and log position."""

    bundle_digest: str | None
    counts: Counts
    created_unix_ms: int
    first_divergence: dict[str, str | int | None] | None
    input_first: int
    input_last: int
    inputs: int
    log_root: str | None
    log_size: int | None
    mode: str
    replayed_spec_hash: str
    run_id: str
    sample_sha256: tuple[str, ...]
    spec_hash: str
    stages: tuple[dict[str, str], ...]
    undeclared_divergence: bool
    v: int = 1


class Judged(msgspec.Struct, frozen=True):
    """The policy's side of a replay: environment, mode, whether an approval was given, decisions by stage."""

    env: str
    mode: str
    approval_provided: bool
    actions: tuple[dict[str, Any], ...] = ()


def divergence_of(told: Told | None) -> dict[str, str | int | None] | None:
    """The fields that scripts rely on, and what an operator looks at."""
    if told is None:
        return None
    difference = told.difference
    return {
        "verdict": difference.verdict,
        "sequence": difference.origin,
        "egress": difference.egress,
        "k": difference.k,
        "stage": told.stage,
        "stage_why": told.why,
        "input_hex": _hex(told.input),
        "expected_hex": _hex(difference.expected),
        "actual_hex": _hex(difference.actual),
        "expected_is_sha256": int(difference.digest),
        "last_equal_sequence": told.last_equal,
    }


def audit_document(
    recording: Recording,
    done: Replayed,
    judged: Judged,
    *,
    created_unix_ms: int,
    spec_hash: str,
    certificate: str,
) -> bytes:
    """``replay_audit.json``."""
    limits = done.range
    document = {
        "audit_v": 1,
        "created_unix_ms": created_unix_ms,
        "bundle_dir": recording.place,
        "spec_sha256": spec_hash,
        "input": {
            "journal_lane": "capture",
            "journal_path": recording.place,
            "first": limits.first,
            "last": limits.last,
            "last_n": done.inputs,
            "scanned_records": done.extent.inputs,
            "selected_bytes": done.input_bytes,
            "sample_sha256": list(done.sample_sha256),
        },
        "policy": {"env": judged.env, "approval_provided": judged.approval_provided, "mode": judged.mode},
        "actions": [
            {
                "action": act.key.partition(":")[0],
                "role": "stage",
                "input_lane": None,
                "output_lane": None,
                "stage": act.stage,
                "target": act.key.partition(":")[2],
                "decision": act.decision,
                "messages": act.messages,
            }
            for act in done.acts
        ]
        + list(judged.actions),
        "result": {
            "verdict": "diverged" if done.diverged else "equal",
            "counts": msgspec.to_builtins(done.counts),
            "first_divergence": divergence_of(done.first),
            "failure": msgspec.to_builtins(done.failure),
            "failed_at": done.failed_at,
            "ordered": done.ordered,
            "from_start": done.from_start,
            "lost_in_capture": done.extent.lost,
            "duration_ns": str(done.duration_ns),
            "messages_per_s": done.inputs / (done.duration_ns / 1e9) if done.duration_ns else 0.0,
            "certificate": certificate,
        },
    }
    return msgspec.json.format(msgspec.json.encode(document))


def trace_document(recording: Recording, done: Replayed, *, which: str | None) -> bytes:
    """``replay_trace.json``: the way of the replay along the recording, and every output that differs.

    ``recording`` names what was replayed, for whoever wants the payloads that are equal.
    """
    found = done.trace
    document = {
        "schema": "byteor.replay_trace/v1",
        "recording": which or recording.facts.run_id,
        "first": done.range.first,
        "last": done.range.last,
        "counters": list(COUNTERS),
        "workers": msgspec.to_builtins(found.workers),
        "points": [[point.origin, str(point.at_ns), point.rows] for point in found.points],
        "differences": [
            {
                "verdict": one.verdict,
                "egress": one.egress,
                "sequence": one.origin,
                "k": one.k,
                "expected_hex": _hex(one.expected),
                "actual_hex": _hex(one.actual),
                "expected_is_sha256": one.digest,
            }
            for one in done.differences
        ],
    }
    return msgspec.json.encode(document) + b"\n"


def certificate_of(
    recording: Recording,
    done: Replayed,
    *,
    mode: str,
    bundle_digest: str | None,
    replayed_spec_hash: str,
    stages: tuple[dict[str, str], ...],
    undeclared: bool,
    log: tuple[int, str] | None,
    created_unix_ms: int,
) -> Certificate:
    """The statement of one replay. ``log``: size and root of this host's audit log."""
    only = done.range.only
    first = min(only) if only else done.range.first or 0
    last = max(only) if only else done.range.last or 0
    return Certificate(
        bundle_digest=bundle_digest,
        counts=done.counts,
        created_unix_ms=created_unix_ms,
        first_divergence=divergence_of(done.first),
        input_first=first,
        input_last=last,
        inputs=done.inputs,
        log_root=log[1] if log else None,
        log_size=log[0] if log else None,
        mode=mode,
        replayed_spec_hash=replayed_spec_hash,
        run_id=recording.facts.run_id,
        sample_sha256=done.sample_sha256,
        spec_hash=recording.facts.spec_hash,
        stages=stages,
        undeclared_divergence=undeclared,
    )


def sealed_certificate(certificate: Certificate, signer: Signer) -> bytes:
    """The signed envelope, ``replay_certificate.dsse``."""
    return sign(CERTIFICATE, certificate, signer)


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data[:MAX_SHOWN].hex()
