"""The collector thread: store and disk into one value, at its own rate. No screen waits for SQLite."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec

from byteor.errors import ByteorError
from byteor.state import state_dir
from byteor_tui.model.approvals import ApprovalsTail
from byteor_tui.model.audit_tail import AuditTail
from byteor_tui.model.evidence import Environment, Evidence, Handover, Tuned
from byteor_tui.model.incidents import IncidentsTail, replay_paths
from byteor_tui.model.replays import ReplaysTail
from byteor_tui.model.specs import SpecBoard, SpecFacts
from byteor_tui.model.text import clean

PERIOD_S = 0.1
DAY_NS = 86_400 * 1_000_000_000
STORE_EVERY_S = 1.0  # files are looked at ten times a second


class Collector:
    """``latest`` and ``specs`` are single references: this thread writes them, any thread reads them."""

    def __init__(self, specs: SpecBoard, period_s: float = PERIOD_S) -> None:
        self.latest = Evidence()
        self.specs = SpecFacts()
        self.board = specs
        self._commented = ""
        self._period_s = period_s
        self._stop = threading.Event()
        self._now = threading.Event()
        self._thread = threading.Thread(target=self._run, name="byteor-collector", daemon=True)
        self._audit = AuditTail()
        self._approvals = ApprovalsTail()
        self._incidents = IncidentsTail()
        self._replays = ReplaysTail()
        self._freezes = 0
        self._handover_at = -1
        self._tuned: tuple[Path | None, tuple[Tuned, ...]] = (None, ())
        self._handover: Handover | None = None
        self._environments: tuple[Environment, ...] | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def pace(self, period_s: float) -> None:
        """Look at files this often from now on, at the store still once a second."""
        self._period_s = period_s

    def look_now(self) -> None:
        """Somebody has acted: the store is looked at with the next period, not the next second."""
        self._now.set()

    def want_comments(self, request_id: str) -> None:
        """Read what was said about this request, now and whenever the log grows."""
        if request_id != self._commented:
            self._commented = request_id
            self.look_now()

    def _run(self) -> None:
        due_s, wait_s = 0.0, 0.0
        try:
            while not self._stop.wait(wait_s):
                now_s = time.monotonic()
                if now_s >= due_s or self._now.is_set():
                    self._now.clear()
                    self._look_at_store()
                    due_s = now_s + STORE_EVERY_S - PERIOD_S / 2
                self.specs = self.board.look()
                wait_s = self._period_s
        finally:
            self._audit.close()

    def _look_at_store(self) -> None:
        audit = self._audit.look()
        approvals = self._approvals.look(int(time.time()), audit.newest("approval_used"))
        incidents = self._incidents.look(audit.size)
        replays = self._replays.look(state_dir() / "replays", replay_paths(incidents))
        freezes = audit.newest("frozen")
        if self._environments is None or freezes != self._freezes:
            self._environments, self._freezes = read_environments(), freezes
        if audit.size != self._handover_at:
            self._handover_at, self._handover = audit.size, read_handover()
        self.latest = Evidence(
            audit,
            approvals,
            incidents,
            replays,
            self._environments,
            time.monotonic_ns(),
            self._handover,
            self._tuning_of(self.board.run_folder),
            self._audit.comments(self._commented),
        )

    def _tuning_of(self, folder: Path | None) -> tuple[Tuned, ...]:
        if folder != self._tuned[0]:
            self._tuned = (folder, read_tuning(folder))
        return self._tuned[1]


def read_tuning(folder: Path | None) -> tuple[Tuned, ...]:
    """What the run asked of this host and what it got; nothing when it does not say."""
    if folder is None:
        return ()
    try:
        found = msgspec.json.decode((folder / "run.json").read_bytes(), type=_Told).tuning
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple(Tuned(*(clean(part) for part in msgspec.structs.astuple(one))) for one in found)


class _Told(msgspec.Struct):
    tuning: tuple[Tuned, ...] = ()


def read_handover() -> Handover | None:
    """The newest handover of the last day; what is older is history, in the audit log."""
    from byteor.acts.notes import latest_handover

    found = latest_handover()
    if found is None or time.time_ns() - found.at_unix_ns > DAY_NS:
        return None
    return Handover(found.audit_seq, found.at_unix_ns, clean(found.actor.removeprefix("user:")), found.text)


def read_environments() -> tuple[Environment, ...]:
    """The environments that count here. Nothing is remembered of having read them; none when unreadable."""
    from byteor.acts.frozen import frozen_environments
    from byteor.governance.environment_file import load_environments, user_file
    from byteor.governance.environment_trust import environment_trust

    try:
        found = load_environments(
            start=Path.cwd(), user=user_file(), trust=environment_trust(), now=int(time.time())
        ).found
        frozen = {one.environment_id: f"{one.frozen_by}: {one.reason}" for one in frozen_environments()}
    except (ByteorError, OSError):
        return ()
    return tuple(
        Environment(
            one.id,
            one.name,
            one.posture,
            one.replay,
            one.side_effects,
            ", ".join(f"{quota.n} of {quota.group}" for quota in one.quorum),
            one.trusted,
            frozen.get(one.id, ""),
        )
        for one in found
    )
