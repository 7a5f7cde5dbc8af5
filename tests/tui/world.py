"""A console in a world that stands still: the same run, evidence and clock each time, so that what is drawn
is the same text each time. Input made by hand; nothing of the console is replaced but its threads.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from byteor.spec import load
from byteor_tui.app import ConsoleApp
from byteor_tui.demo_plan import PLAN
from byteor_tui.model.evidence import (
    Approval,
    Approvals,
    AuditPage,
    AuditRow,
    Check,
    Checks,
    Comment,
    Comments,
    Environment,
    Evidence,
    Incident,
    Incidents,
    Signer,
)
from byteor_tui.model.history import History
from byteor_tui.model.reader import Reader
from byteor_tui.model.replays import Replay
from byteor_tui.model.run import Run
from byteor_tui.model.session import Session
from byteor_tui.model.specs import Asked, SpecText, compared
from byteor_tui.model.topology import topology_of
from byteor_tui.model.view import LogEntry, Moment

SECOND = 1_000_000_000
NOW = 1_767_268_991  # 2026-01-01 12:03:11 UTC
RUN = "host-telemetry-20260101T000000-abcd"
KID, KEY_FILE = "alice-1", "/keys/alice.pem"


class Clock:
    """Stands in for the module ``time`` where the app reads it."""

    @staticmethod
    def time_ns() -> int:
        return NOW * SECOND

    @staticmethod
    def monotonic_ns() -> int:
        return NOW * SECOND

    @staticmethod
    def monotonic() -> float:
        return float(NOW)


class StillReader(Reader):
    """Folds 70 seconds at once and then rests."""

    def __init__(self, source: Any, period_s: float = 0.1) -> None:
        super().__init__(source, period_s)
        history = History()
        for second in range(70):
            self.latest = history.fold(source(second))
            self.tape.add(self.latest)

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


def still_app(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    sample: Any,
    *,
    posture: str = "prod",
    read_only: bool = False,
) -> ConsoleApp:
    """On a run with a failed stage and a stale worker: two requests, an incident, two replays."""
    monkeypatch.setenv("TZ", "UTC")
    for module in ("app", "present", "fetching", "working", "screens.runs"):
        monkeypatch.setattr(f"byteor_tui.{module}.time", Clock)
    time.tzset()
    monkeypatch.setattr("byteor_tui.app.Reader", StillReader)
    # Textual holds a new screen back for 50 ms lest it flicker; nobody looks here.
    monkeypatch.setattr("textual.app.App.delay_update", lambda app: None)
    monkeypatch.setattr("byteor_tui.fetching.find_runs", lambda: [run])
    run = Run(RUN, "host-telemetry", "running", "prod", 4242, True, (NOW - 4000) * SECOND, str(folder))
    session = Session(env="prod", identities=((KID, KEY_FILE),), read_only=read_only)
    app = ConsoleApp(run, opener=lambda _: lambda second: bad(sample, second), session=session)
    app._collecting = True  # what the collector would read is put there
    app.collector.specs = specs(folder)
    app.collector.latest = evidence(posture, app.collector.specs.asked.spec_hash)
    app.checks = Checks(
        (
            Check("kernel", "pass", "native kernel, ABI 4"),
            Check("shm", "warn", "/dev/shm has 61 MiB free", "mount -o remount,size=2G /dev/shm"),
            Check("clock", "fail", "not synchronised", "timedatectl set-ntp true"),
        ),
        (NOW - 60) * SECOND,
    )
    app.marks = (Moment((NOW - 30) * SECOND, "m", "before the deploy"),)
    app.log_pane.add(
        LogEntry((NOW - 9) * SECOND, f"byteor snapshot {RUN}", command=True, ok=True, audit_seq=8812)
    )
    return app


def bad(sample: Any, second: int) -> Any:
    """The sample at ``second``: detect fails at the end, annotate shows no life."""
    start = (NOW - 69) * SECOND
    made = sample(float(second), taken_ns=start + second * SECOND, taken_unix_ns=start + second * SECOND)
    workers = list(made.workers)
    if second >= 60:
        failed = {"state": "failed", "last_error": "ValueError: 7", "errors": 1}
        workers[2] = msgspec.structs.replace(workers[2], **failed)
        workers[3] = msgspec.structs.replace(workers[3], age_ns=4_200_000_000)
    return msgspec.structs.replace(made, env="prod", workers=tuple(workers))


def request(number: int, *, revision: str = "r1", state: str = "pending", spec_hash: str = "") -> Approval:
    """A request that alice may answer."""
    return Approval(
        request_id=f"{number:08d}-2222-4333-8444-555555555555",
        revision=revision,
        digest=f"sha256:4c1f{number:060d}",
        state=state,
        action="run",
        env="prod",
        posture="prod",
        requester="op1",
        reason="resend what was lost at 11:58",
        spec_hash=spec_hash or "sha256:" + "7" * 64,
        created=NOW - 240,
        request_ends=NOW + 252,
        approval_ends=NOW + 3600,
        max_uses=1,
        uses=0,
        capabilities=("http_post",),
        quorum=(("sre", 2),),
        approved_by=("bob-1",),
        denied_by="",
        signers=(Signer("alice", KID, True, ""), Signer("bob", "bob-1", False, "has answered")),
        void=(),
        certificate="",
    )


def evidence(posture: str, spec_hash: str) -> Evidence:
    prod = Environment(
        "demo/telemetry/prod", "prod", posture, "allowed", "require_approval", "2 of sre", True
    )
    asked = (request(31, spec_hash=spec_hash), request(29, state="approved", spec_hash=spec_hash))
    incident = Incident(
        "INC-20260101-0017", "1", "open", (NOW - 20) * SECOND, RUN, "detect failed: ValueError: 7",
        "/state/incidents/INC-20260101-0017.bundle.zip", (("note", "looks like the new threshold"),),
    )  # fmt: skip
    replay = Replay(
        "RPL-88", (NOW - 15) * SECOND, "INC-20260101-0017", "dry_run", "sha256:" + "5" * 64, 12480,
        (("equal", 12478), ("data", 2)), "seq 8819031 of detect", '{"score":0.81}', '{"score":0.79}', 312,
        (("Allow", 12168), ("DryRunOnly", 312)), "", "/state/replays/RPL-88", "INC-20260101-0017",
    )  # fmt: skip
    clean = msgspec.structs.replace(
        replay,
        id="RPL-87",
        counts=(("equal", 12480),),
        first="",
        expected="",
        actual="",
        certificate="sha256:cert",
    )
    actions = itertools.cycle(("policy_decision", "approval_signed", "snapshot_taken", "run_started"))
    rows = tuple(
        AuditRow(8763 + n, (NOW - 50 + n) * SECOND, "user:op1", next(actions), "prod", RUN, body='{"rule":7}')
        for n in range(50)
    )
    return Evidence(
        AuditPage(rows, 8813),
        Approvals(asked),
        Incidents((incident,)),
        (replay, clean),
        (prod,),
        NOW * SECOND,
        comments=Comments(
            asked[0].request_id,
            (Comment(8811, (NOW - 120) * SECOND, "bob", "which of the two hosts takes them now?"),),
        ),
    )


def specs(folder: Path) -> Any:
    """What runs against what is on disk: another threshold and one more stage."""
    running, on_disk = folder / "running.plan.kv", folder / "host.plan.kv"
    running.write_text(PLAN)
    on_disk.write_text(PLAN.replace("zscore:120,4.0", "zscore:120,5.0").replace("demo", "lab"))
    a, b = load(running), load(on_disk)

    def text(spec: Any, label: str) -> SpecText:
        lines = tuple(spec.canonical.decode().splitlines())
        return SpecText(label, f"/specs/{label}", spec.name, spec.spec_hash, lines)

    sides = text(a, "running"), text(b, "host.plan.kv")
    facts = compared(a, b, *sides, (), topology_of(a.spec), (sides[0],))
    asked = Asked(b.spec_hash, "/specs/host.plan.kv", a.spec_hash, facts.diff, ("http_post",), ())
    return msgspec.structs.replace(facts, asked=asked)
