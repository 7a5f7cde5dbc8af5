"""Replay a run, an incident or a bundle: policy first, then the passes, then what proves them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from byteor.acts.bundles import bundle_part
from byteor.acts.captures import recording_of
from byteor.acts.host_key import host_signer, trusted_signers
from byteor.acts.incidents import note_replay
from byteor.acts.log import open_log
from byteor.acts.replay_policy import Proof, Recorded, ReplayPermit, judge
from byteor.atomic import private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.incident.bundle.manifest import bundle_digest, verify_bundle
from byteor.incident.bundle.members import MANIFEST
from byteor.incident.bundle.reader import Bundle
from byteor.incident.errors import IncidentError
from byteor.incident.recording import Recording
from byteor.incident.replay.audit import (
    Judged,
    audit_document,
    certificate_of,
    sealed_certificate,
    trace_document,
)
from byteor.incident.replay.inputs import Range, extent, inputs, resolved_range
from byteor.incident.replay.minimize import minimize
from byteor.incident.replay.session import STALL_S, Replayed, ReplayOrder, replay
from byteor.runtime.prepare import Prepared, prepare
from byteor.spec import ValidatedSpec, check_document, load, read_document
from byteor.state import state_dir
from byteor_store import Event, current_actor

AUDIT, CERTIFICATE_FILE = "replay_audit.json", "replay_certificate.dsse"
TRACE_FILE = "replay_trace.json"


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``rate``: messages a second, or None for as fast as it goes."""

    which: str | None
    mode: str = "dry_run"
    proof: Proof = Proof()
    range: Range = Range()
    rate: float | None = None
    until_divergence: bool = False
    stall_s: float = STALL_S
    spec: Path | None = None
    stage_modules: tuple[str, ...] = ()
    out: Path | None = None
    keys: tuple[str, ...] = ()
    trust_unsigned: bool = False
    trace: bool = False


class ReplayDone(msgspec.Struct, frozen=True):
    """What a replay came to and where the proof lies."""

    mode: str
    replayed: Replayed
    audit_path: Path
    certificate_path: Path
    audit_seq: int
    spec_hash: str
    run_id: str


def replay_now(request: ReplayRequest) -> ReplayDone:
    """Every check comes before the first message.

    Raises ``E_BUNDLE_...`` (exit 9: only a bundle that verifies is replayed), ``E_CAPTURE_MISSING``,
    ``E_REPLAY_SPEC``, ``E_STAGE_...``, and what ``judge`` and ``replay`` raise.
    """
    with recording_of(request.which) as (recording, bundle):
        _check_out(request.out, recording)
        digest = _verified(bundle, request)
        prepared = _prepared(recording, request)
        permit = _judged(prepared, recording, request, digest)
        order = ReplayOrder(
            range=request.range,
            dry_run=request.mode == "dry_run",
            rate=request.rate,
            until_divergence=request.until_divergence,
            stall_s=request.stall_s,
            spec_hash=prepared.spec.spec_hash,
            traced=request.trace,
        )
        run_id = recording.facts.run_id
        with permit.started({"mode": request.mode, "bundle": digest, "run_id": run_id}, run_id):
            done = replay(recording, prepared.wiring, prepared.stages, order)
        return _proved(recording, prepared, request, permit.judged, done, digest)


def minimize_now(request: ReplayRequest) -> tuple[ReplayDone, tuple[int, ...], int, Path]:
    """Replay, then shrink the inputs to the fewest that still make the same output differ in the same way.

    Returns the replay of those, their origins, how many replays it took, and the bundle of them.
    Raises ``E_REPLAY_EQUAL`` (exit 1) when nothing diverges, and what ``replay_now`` raises.
    """
    with recording_of(request.which) as (recording, bundle):
        _check_out(request.out, recording)
        digest = _verified(bundle, request)
        prepared = _prepared(recording, request)
        permit = _judged(prepared, recording, request, digest)
        found = extent(recording)
        order = ReplayOrder(
            range=request.range,
            until_divergence=True,
            stall_s=request.stall_s,
            spec_hash=prepared.spec.spec_hash,
        )
        whole = replay(recording, prepared.wiring, prepared.stages, order, found)
        if whole.first is None:
            raise IncidentError(
                "E_REPLAY_EQUAL",
                "nothing diverges, so there is nothing to minimise",
                hint="byteor determinism check runs it under other conditions",
                exit=Exit.CHECK_FAILED,
            )
        target = whole.first.difference

        def diverges(origins: frozenset[int]) -> bool:
            if target.origin not in origins:
                return False
            some = msgspec.structs.replace(order, range=Range(only=origins))
            first = replay(recording, prepared.wiring, prepared.stages, some, found).first
            return first is not None and (first.difference.origin, first.difference.verdict) == (
                target.origin,
                target.verdict,
            )

        chosen = resolved_range(request.range, found)
        candidates = [
            origin
            for frame in inputs(recording, msgspec.structs.replace(chosen, last=target.origin))
            for origin in frame.origins
        ]
        smallest, tests = minimize(candidates, diverges)
        last = replay(
            recording,
            prepared.wiring,
            prepared.stages,
            ReplayOrder(range=Range(only=frozenset(smallest)), stall_s=request.stall_s),
            found,
        )
        proved = _proved(recording, prepared, request, permit.judged, last, digest)
        path = proved.audit_path.parent / "minimal.bundle.zip"
        bundle_part(recording, bundle, Range(only=frozenset(smallest)), path)
        return proved, smallest, tests + 2, path


def _check_out(out: Path | None, recording: Recording) -> None:
    """What proves a replay never goes into what it replays: evidence stays as it is."""
    if out is None:
        return
    place, wanted = Path(recording.place).resolve(), out.resolve()
    if place in (wanted, *wanted.parents):
        raise ByteorError(
            "E_USAGE", f"{out} lies in what is replayed", hint="-o another folder", exit=Exit.USAGE
        )
    if out.exists() and not out.is_dir():
        raise ByteorError("E_EXISTS", f"{out} is no folder", hint="-o another name", exit=Exit.CONFLICT)


def _judged(
    prepared: Prepared, recording: Recording, request: ReplayRequest, digest: str | None
) -> ReplayPermit:
    facts = recording.facts
    recorded = Recorded(facts.run_id, facts.spec_hash, digest)
    if request.mode == "execute":
        chosen = resolved_range(request.range, extent(recording))
        recorded = msgspec.structs.replace(
            recorded, first=chosen.first, last=chosen.last, stages=_stages(prepared)
        )
    return judge(prepared, recorded, request.mode, request.proof)


def _stages(prepared: Prepared) -> tuple[dict[str, str], ...]:
    return tuple({"key": stage.key, **stage.digest()} for stage in prepared.stages.values())


def _verified(bundle: Bundle | None, request: ReplayRequest) -> str | None:
    """The digest of a bundle that verifies; None without one."""
    if bundle is None:
        return None
    verdict = verify_bundle(bundle, trusted_signers(request.keys))
    unknown = verdict.code == "E_BUNDLE_SIGNATURE" and verdict.signer is not None
    if not verdict.ok and not (unknown and request.trust_unsigned and request.mode == "dry_run"):
        raise IncidentError(
            verdict.code or "E_BUNDLE_FORMAT",
            verdict.detail,
            hint="compare the signer's key with its host, then give it with --key",
        )
    return bundle_digest(bundle.read(MANIFEST))


def _prepared(recording: Recording, request: ReplayRequest) -> Prepared:
    """The spec that was recorded, or the one given with ``--spec``; with its stages found.

    Raises ``E_REPLAY_SPEC`` when the recorded text is not what its hash says.
    """
    spec = load(request.spec, strict=True) if request.spec is not None else _recorded_spec(recording)
    modules = request.stage_modules or recording.facts.stage_modules
    return prepare(spec, modules)


def _recorded_spec(recording: Recording) -> ValidatedSpec:
    with tempfile.TemporaryDirectory(prefix="byteor-") as folder:
        path = Path(folder, "recorded.spec.kv")
        path.write_bytes(recording.spec)
        spec = check_document(read_document(path, strict=True)).required()
    if spec.spec_hash != recording.facts.spec_hash:
        raise IncidentError(
            "E_REPLAY_SPEC",
            f"the recording names the spec {recording.facts.spec_hash} and holds {spec.spec_hash}",
            hint="replay against the right one with --spec",
            exit=Exit.INVALID,
        )
    return spec


def _proved(
    recording: Recording,
    prepared: Prepared,
    request: ReplayRequest,
    judged: Judged,
    done: Replayed,
    digest: str | None,
) -> ReplayDone:
    """Write audit and certificate, note it in the log and in the incident."""
    now_ms = time.time_ns() // 1_000_000
    out = request.out or private_folder(private_folder(state_dir()) / "replays") / (
        f"{recording.facts.run_id}-{now_ms}"
    )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    verdict = "diverged" if done.diverged else "equal"
    seq = _note(
        "replay_ended",
        recording,
        prepared.spec,
        {
            "mode": request.mode,
            "verdict": verdict,
            "counts": msgspec.to_builtins(done.counts),
            "from_start": done.from_start,
            "bundle": digest,
        },
    )
    certificate = certificate_of(
        recording,
        done,
        mode=request.mode,
        bundle_digest=digest,
        replayed_spec_hash=prepared.spec.spec_hash,
        stages=_stages(prepared),
        undeclared=done.diverged and not _declared(prepared),
        log=_log_position(),
        created_unix_ms=now_ms,
    )
    certificate_path = out / CERTIFICATE_FILE
    write_file(certificate_path, sealed_certificate(certificate, host_signer()))
    audit = audit_document(
        recording,
        done,
        judged,
        created_unix_ms=now_ms,
        spec_hash=prepared.spec.spec_hash,
        certificate=CERTIFICATE_FILE,
    )
    if request.trace:  # before the audit: who sees that one finds both
        write_file(out / TRACE_FILE, trace_document(recording, done, which=request.which))
    write_file(out / AUDIT, audit)
    part = "" if done.from_start else ", from the middle of the run"
    note_replay(request.which or recording.facts.run_id, out / AUDIT, verdict + part)
    return ReplayDone(
        request.mode,
        done,
        out / AUDIT,
        certificate_path,
        seq,
        prepared.spec.spec_hash,
        recording.facts.run_id,
    )


def _declared(prepared: Prepared) -> bool:
    """A pipeline with an external stage says itself that a replay may differ."""
    return any(stage.definition.kind == "external" for stage in prepared.stages.values())


def _log_position() -> tuple[int, str]:
    with open_log() as log:
        tree = log.tree()
    return tree.size, tree.root().hex()


def _note(action: str, recording: Recording, spec: ValidatedSpec, body: dict[str, Any]) -> int:
    event = Event(
        action=action,
        actor=current_actor(),
        env=recording.facts.env,
        spec_hash=spec.spec_hash,
        run_id=recording.facts.run_id,
        body=body,
    )
    with open_log() as log:
        return log.append(event)
