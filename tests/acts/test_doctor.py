"""``byteor doctor``: every check as a table of facts, and the real host once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from byteor.acts.doctor import read_facts
from byteor.acts.doctor_checks import (
    CHECKS,
    Check,
    Facts,
    KeyVariables,
    SoftwareFacts,
    TerminalFacts,
    diagnose,
)
from byteor.cli.doctor import command
from byteor.errors import Exit
from byteor.runtime.host import ClockFacts, CpuFacts, HostFacts, LoadFacts, MemoryFacts, ShmFacts
from byteor.runtime.tuning import PROFILES

GOOD = Facts(
    host=HostFacts(
        cpu=CpuFacts(online=tuple(range(8)), allowed=tuple(range(8)), isolated=(4, 5, 6, 7)),
        memory=MemoryFacts(lock_limit_bytes=None, may_lock_all=True, lock_works=True),
        shm=ShmFacts(
            path="/dev/shm",
            filesystem="tmpfs",
            total_bytes=1 << 33,
            free_bytes=1 << 33,
            writable=True,
            sticky_or_private=True,
        ),
        realtime_works=True,
        realtime_budget_us=-1,
    ),
    load=LoadFacts(busy=0.1, steal=0.0, load1=0.5),
    clock=ClockFacts(source="tsc", synchronised=True, max_error_us=500),
    governor="performance",
    software=SoftwareFacts(
        kernel_release="6.1",
        futex=True,
        membarrier=True,
        indexbus_kernel="native",
        indexbus_why="",
        sqlite="3.51.3",
        sqlite_oldest="3.51.3",
        open_files=4096,
        open_files_most=4096,
        runtime_dir="/run/byteor",
        runtime_dir_problem="",
        state_dir="/var/lib/byteor",
        state_free_bytes=1 << 33,
        terminal=TerminalFacts(name="xterm-256color", columns=80, lines=24, utf8=True, colours="256"),
        key=KeyVariables(kid=True, key_file=True, file_found=True),
    ),
)

D, L, I = "default", "low-latency", "isolated-core"  # noqa: E741


def change(path: str, value: object) -> Facts:
    """GOOD with the field at the dotted ``path`` replaced."""

    def put(part: object, names: list[str]) -> object:
        new = value if len(names) == 1 else put(getattr(part, names[0]), names[1:])
        return msgspec.structs.replace(part, **{names[0]: new})  # type: ignore[type-var]

    changed = put(GOOD, path.split("."))
    assert isinstance(changed, Facts)
    return changed


def found(facts: Facts, profile: str, which: str) -> Check:
    return next(check for check in diagnose(facts, PROFILES[profile]) if check.id == which)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_good_host_passes_every_check_of_every_profile(profile: str) -> None:
    checks = diagnose(GOOD, PROFILES[profile])
    assert {check.status for check in checks} == {"pass"}
    assert len({check.id for check in checks}) == len(checks) == len(CHECKS)
    assert not any(check.fix for check in checks)


@pytest.mark.parametrize(
    ("which", "path", "value", "statuses"),
    [
        ("native_kernel", "software.indexbus_kernel", "pure", {D: "warn", L: "fail", I: "fail"}),
        ("futex", "software.futex", False, {D: "fail", I: "fail"}),
        ("membarrier", "software.membarrier", False, {D: "warn"}),
        ("shm_permissions", "host.shm.writable", False, {D: "fail"}),
        ("shm_permissions", "host.shm.sticky_or_private", False, {D: "fail"}),
        ("shm_size", "host.shm.free_bytes", 63 << 20, {D: "warn"}),
        ("shm_size", "host.shm.free_bytes", 1 << 19, {D: "fail"}),
        ("shm_size", "host.shm.free_bytes", 64 << 20, {D: "pass"}),
        ("shm_placement", "host.shm.filesystem", "ext4", {D: "warn", L: "fail"}),
        ("runtime_dir", "software.runtime_dir_problem", "it is open to others", {D: "fail"}),
        ("state_space", "software.state_free_bytes", 1 << 30, {D: "pass"}),
        ("state_space", "software.state_free_bytes", (1 << 30) - 1, {D: "warn", I: "warn"}),
        ("state_space", "software.state_free_bytes", (64 << 20) - 1, {D: "fail"}),
        ("sqlite", "software.sqlite", "3.51.2", {D: "fail"}),
        ("sqlite", "software.sqlite", "3.9.0", {D: "fail"}),
        ("sqlite", "software.sqlite", "4.0.0", {D: "pass"}),
        ("file_limits", "software.open_files", 256, {D: "warn"}),
        ("file_limits", "software.open_files", 255, {D: "fail"}),
        ("cpu_headroom", "load.busy", 0.81, {D: "warn", I: "warn"}),
        ("cpu_headroom", "load.busy", 0.96, {D: "warn", I: "fail"}),
        ("cpu_headroom", "load.load1", 8.5, {D: "warn"}),
        ("cpu_steal", "load.steal", 0.03, {D: "warn", L: "fail"}),
        ("cpu_pinning", "host.cpu.allowed", (0, 1), {D: "pass", L: "warn", I: "warn"}),
        ("cpu_pinning", "host.cpu.quota", 4.0, {D: "pass", L: "warn"}),
        ("cpu_isolation", "host.cpu.isolated", (), {D: "pass", L: "pass", I: "fail"}),
        ("cpu_governor", "governor", "powersave", {D: "pass", L: "warn"}),
        ("cpu_governor", "governor", "", {D: "pass", L: "pass"}),
        ("realtime", "host.realtime_works", False, {D: "pass", L: "pass", I: "fail"}),
        ("realtime_budget", "host.realtime_budget_us", 950_000, {D: "pass", I: "warn"}),
        ("memory_lock", "host.memory.lock_works", False, {D: "pass", L: "fail"}),
        ("memory_lock", "host.memory.lock_limit_bytes", 8 << 20, {D: "pass", L: "warn"}),
        ("clock_source", "clock.source", "hpet", {D: "warn", L: "fail"}),
        ("clock_source", "clock.source", "", {D: "warn"}),
        ("time_sync", "clock.synchronised", False, {D: "warn", I: "warn"}),
        ("time_sync", "clock.synchronised", None, {D: "warn"}),
        ("terminal", "software.terminal.columns", 79, {D: "warn"}),
        ("terminal", "software.terminal.columns", 0, {D: "pass"}),
        ("terminal", "software.terminal.utf8", False, {D: "warn"}),
        ("signing_key", "software.key.kid", False, {D: "warn", I: "warn"}),
        ("signing_key", "software.key.key_file", False, {D: "warn"}),
        ("signing_key", "software.key.file_found", False, {D: "warn"}),
        (
            "signing_key",
            "software.key",
            KeyVariables(kid=False, key_file=False, file_found=False),
            {D: "pass"},
        ),
    ],
)
def test_a_check_judges_by_the_profile_and_says_what_to_type(
    which: str, path: str, value: object, statuses: dict[str, str]
) -> None:
    facts = change(path, value)
    for profile, status in statuses.items():
        check = found(facts, profile, which)
        assert check.status == status
        assert bool(check.fix) == (status != "pass")
        others = [other for other in diagnose(facts, PROFILES[profile]) if other.id != which]
        assert {other.status for other in others} == {"pass"}


def test_the_facts_of_this_host_can_be_read_and_judged() -> None:
    facts = read_facts()
    assert facts.host.cpu.allowed
    assert facts.host.shm.total_bytes > 0
    assert facts.clock.source
    assert 0 <= facts.load.steal <= facts.load.busy <= 1
    assert len(diagnose(facts, PROFILES[I])) == len(CHECKS)


def test_the_exit_code_is_one_only_when_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    for path, value, code in (
        ("governor", "performance", Exit.OK),
        ("software.membarrier", False, Exit.OK),
        ("software.futex", False, Exit.CHECK_FAILED),
    ):
        facts = change(path, value)
        monkeypatch.setattr("byteor.acts.doctor.read_facts", lambda facts=facts: facts)
        assert command(profile=D, json=True) == code
        document = msgspec.json.decode(capsysbinary.readouterr().out)
        assert document["ok"] == (code == Exit.OK)
        assert document["schema"] == "byteor.doctor/v1"
        assert command(profile=D, json=False) == code
        shown = capsysbinary.readouterr().out.decode()
        assert ("FAIL  futex" in shown) == (code != Exit.OK)


def test_which_half_of_a_key_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTEOR_KID", "alice-1")
    monkeypatch.delenv("BYTEOR_KEY_FILE", raising=False)
    check = found(read_facts(), D, "signing_key")
    assert check.status == "warn" and "BYTEOR_KEY_FILE is not" in check.detail
    assert check.fix == "export BYTEOR_KEY_FILE too, or unset BYTEOR_KID"
    monkeypatch.setenv("BYTEOR_KEY_FILE", str(tmp_path / "alice.pem"))
    assert "no file that is here" in found(read_facts(), D, "signing_key").detail
    (tmp_path / "alice.pem").write_text("")
    assert found(read_facts(), D, "signing_key").status == "pass"
    monkeypatch.delenv("BYTEOR_KID")
    assert found(read_facts(), D, "signing_key").fix == "export BYTEOR_KID too, or unset BYTEOR_KEY_FILE"
