"""The run folder: where a run says who it is, and how a reader finds runs and tells live from dead.

$BYTEOR_RUNTIME_DIR/<run id>/          0700; run.json (identity), result.json (at the end), control.sock
$BYTEOR_RUNTIME_DIR/names/<name>.lock  held by the live run of that name
$BYTEOR_SHM_DIR/byteor-<uid>/<run id>/ 0700; metrics.region, <lane>.region
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from byteor.atomic import check_private_folder, private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.runtime.errors import RunError
from byteor.runtime.process import boot_id, is_alive, myself
from byteor.runtime.tuning import TuningLine

RUN_JSON, RESULT_JSON, CONTROL_SOCK = "run.json", "result.json", "control.sock"
METRICS_REGION, SPEC_KV = "metrics.region", "spec.kv"
OWNER_JSON = "owner.json"  # in the region folder
RUN_JSON_VERSION = 1
MAX_DOCUMENT_BYTES = 16 << 20  # of run.json and result.json; 1,000 roles take one
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class WorkerIdentity(msgspec.Struct, frozen=True):
    """Which worker writes which row of the metrics region, where it runs, and behind which workers."""

    row: int
    name: str
    role: str
    key: str
    where: str
    after: tuple[int, ...] = ()  # rows of the workers whose output it takes
    group: int = 0  # workers with the same number share a thread or a process


class LaneIdentity(msgspec.Struct, frozen=True):
    """A lane of the run: its region's file, its own row of the metrics, and who writes and reads it."""

    row: int
    name: str
    kind: str  # sequenced | events | fanout | journal
    file: str
    capacity: int
    slot_bytes: int
    gates: int = 0  # of a ring: stages that work in place...
    egress: tuple[int, ...] = ()  # ...those behind which the sink reads...
    after: tuple[tuple[int, ...], ...] = ()  # ...and the gates that each is behind
    writers: tuple[int, ...] = ()  # rows of workers
    readers: tuple[int, ...] = ()  # rows of workers; of a ring its stages by gate, then its sink


class RunIdentity(msgspec.Struct, frozen=True):
    """``run.json``: written before the first message; only ``tuning`` is added when every worker runs."""

    v: int
    run_id: str
    name: str
    pipeline: str
    spec_hash: str
    model: str
    env: str
    pid: int
    pid_start_time: int
    boot_id: str
    started_unix_ns: int
    region_dir: str
    source: str
    sink: str
    kernel: str
    workers: tuple[WorkerIdentity, ...]
    lanes: tuple[LaneIdentity, ...] = ()
    executor: str = "auto"
    wait: str = "backoff"
    seed: int = 0  # of the stages that draw random numbers
    notes: tuple[str, ...] = ()  # what was decided here, as an operator would be told
    version: str = ""  # of byteor
    started_ns: int = 0  # CLOCK_MONOTONIC of that boot: what durations are told by
    profile: str = "default"
    tuning: tuple[TuningLine, ...] = ()  # added once every worker has started
    metrics: str = ""  # HOST:PORT where Prometheus text is served
    replaces: str = ""  # the run whose place it took


class RegionOwner(msgspec.Struct, frozen=True):
    """``owner.json``: whose regions these are, for when nothing else can say it any more."""

    run_folder: str
    pid: int
    pid_start_time: int
    boot_id: str


class RunResult(msgspec.Struct, frozen=True):
    """``result.json`` and what ``byteor run`` prints at the end. Rates in messages per second."""

    run_id: str
    name: str
    spec_hash: str
    state: str  # finished | stopped | failed
    messages_in: int = msgspec.field(name="in")
    messages_out: int = msgspec.field(name="out")
    dropped: int = 0
    filtered: int = 0
    errors: int = 0
    duration_ns: int = 0
    messages_per_s: float = 0.0
    first_failure: Failure | None = None
    unfinished: int = 0  # taken from the source, but neither sent, filtered nor dropped when the run ended
    stuck: tuple[str, ...] = ()  # workers that had not finished when the drain ran out of time
    set_aside: int = 0  # messages in the dead letters: no slot held them, or no peer took them
    positions: dict[str, Any] = {}  # by endpoint, of sources that keep one: all before it has left the run


class Failure(msgspec.Struct, frozen=True):
    """The first thing that went wrong. ``digest`` is "sha256:..." of the payload, where one was at fault."""

    stage: str
    sequence: int | None
    error: str
    code: str
    digest: str | None = None


class RunInfo(msgspec.Struct, frozen=True):
    """A run as found on disk. ``result`` is None while it lives and after a kill."""

    folder: str
    identity: RunIdentity
    alive: bool
    result: RunResult | None
    ours: bool = True  # False: another user's, opened to our group; to be looked at only

    @property
    def state(self) -> str:
        """running while alive; then what ``result.json`` says; ``dead`` when it never wrote one."""
        if self.alive:
            return "running"
        return self.result.state if self.result else "dead"


def runtime_dir() -> Path:
    """``$BYTEOR_RUNTIME_DIR``, else the user's runtime folder, else ``/tmp/byteor-<uid>``."""
    if explicit := os.environ.get("BYTEOR_RUNTIME_DIR"):
        return Path(explicit)
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session, "byteor")
    return Path(f"/tmp/byteor-{os.geteuid()}")


def region_root() -> Path:
    """``byteor-<uid>`` in ``$BYTEOR_SHM_DIR`` or ``/dev/shm``."""
    return Path(os.environ.get("BYTEOR_SHM_DIR") or "/dev/shm", f"byteor-{os.geteuid()}")


def new_run_id(name: str) -> str:
    """``<name>-<UTC time>-<4 hex>``: sorts by start, says what it was."""
    return f"{name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def name_lock(name: str, folder: Path) -> Iterator[None]:
    """Hold ``name`` for one live run. Raises ``E_RUN_NAME`` (exit 6) when another run holds it.

    An flock goes with its process, so a killed run leaves no stale lock.
    """
    if not NAME.fullmatch(name):
        hint = "lower-case letters, digits, - and _, starting with a letter, at most 63"
        raise RunError("E_RUN_NAME", f"{name!r} is not a run name", hint=hint, exit=Exit.USAGE)
    lock = private_folder(private_folder(folder) / "names") / f"{name}.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                "E_RUN_NAME",
                f"a run named {name} is already live",
                hint=f"byteor stop {name}, or start this one with --name=OTHER",
                exit=Exit.CONFLICT,
            ) from None
        yield
    finally:
        os.close(handle)


def create(run_id: str, folder: Path) -> tuple[Path, Path]:
    """Make the run folder and its region folder, both 0700; returns (run folder, region folder).

    The region folder comes first and says whose it is, so that ``gc`` can take down a half-made pair.
    """
    run, regions = private_folder(folder) / run_id, private_folder(region_root()) / run_id
    pid, start_time = myself()
    owner = RegionOwner(str(run.resolve()), pid, start_time, boot_id())
    try:
        private_folder(regions)
        write_file(regions / OWNER_JSON, msgspec.json.encode(owner))
        run.mkdir(mode=0o700)
    except FileExistsError:
        raise RunError("E_RUN_EXISTS", f"{run} exists already", exit=Exit.CONFLICT) from None
    except BaseException:
        import shutil

        shutil.rmtree(regions, ignore_errors=True)
        raise
    return run, regions


def write_identity(run: Path, identity: RunIdentity) -> None:
    write_file(run / RUN_JSON, msgspec.json.format(msgspec.json.encode(identity)))


def write_result(run: Path, result: RunResult) -> None:
    write_file(run / RESULT_JSON, msgspec.json.format(msgspec.json.encode(result)))


def read_run(run: Path) -> RunInfo:
    """The run in the folder ``run``. Raises ``E_RUN_NOT_FOUND`` or, for a damaged file, ``E_RUN_JSON``."""
    try:
        identity = msgspec.json.decode(_read(run / RUN_JSON), type=RunIdentity)
        result_file = run / RESULT_JSON
        result = msgspec.json.decode(_read(result_file), type=RunResult) if result_file.exists() else None
    except FileNotFoundError:
        raise RunError(
            "E_RUN_NOT_FOUND", f"no run in {run}", hint="byteor ps lists the runs", exit=Exit.NOT_FOUND
        ) from None
    except ValueError as error:  # msgspec's, and text that is no UTF-8
        raise RunError("E_RUN_JSON", f"{run}: damaged: {error}", exit=Exit.INVALID) from None
    if identity.v != RUN_JSON_VERSION:
        raise RunError(
            "E_RUN_VERSION",
            f"{run}: run.json of version {identity.v}, written by byteor {identity.version or '(unknown)'}",
            hint="look at it and end it with the byteor that started it",
            exit=Exit.UNAVAILABLE,
        )
    alive = (
        result is None and identity.boot_id == boot_id() and is_alive(identity.pid, identity.pid_start_time)
    )
    return RunInfo(str(run), identity, alive, result, run.stat().st_uid == os.geteuid())


def _read(path: Path) -> bytes:
    """A document of a run. It may be another user's: no link, pipe or endless file must hold a reader up."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RunError("E_RUN_JSON", f"{path} is a link", exit=Exit.INVALID) from None
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_DOCUMENT_BYTES:
            raise RunError("E_RUN_JSON", f"{path} is no document of a run", exit=Exit.INVALID)
        return os.read(handle, MAX_DOCUMENT_BYTES)
    finally:
        os.close(handle)


def list_runs(folder: Path | None = None) -> list[RunInfo]:
    """All runs, newest first. Folders that are no runs, or half-made ones, are passed over."""
    root = folder or runtime_dir()
    if not root.exists():
        return []
    _check_visible(root)
    found = []
    for path in root.iterdir():
        with contextlib.suppress(RunError, OSError):  # one damaged folder must not hide the others
            found.append(read_run(path))
    moment = _now()
    return sorted(found, key=lambda info: _age_ns(info.identity, moment))


def age_ns(identity: RunIdentity) -> int:
    """How long ago a run started. By the monotonic clock where this is still its boot: the wall clock may
    have been set meanwhile."""
    return _age_ns(identity, _now())


class _Moment(NamedTuple):
    unix_ns: int
    monotonic_ns: int
    boot: str


def _now() -> _Moment:
    return _Moment(time.time_ns(), time.monotonic_ns(), boot_id())


def _age_ns(identity: RunIdentity, now: _Moment) -> int:
    if identity.started_ns and identity.boot_id == now.boot:
        return now.monotonic_ns - identity.started_ns
    return now.unix_ns - identity.started_unix_ns


def _check_visible(root: Path) -> None:
    """As for a private folder; but one that was named may be another user's who lets us look."""
    named = os.environ.get("BYTEOR_RUNTIME_DIR")
    try:
        check_private_folder(root)
    except ByteorError:
        status = root.lstat()
        if not named or root != Path(named) or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
            raise


def find_run(which: str | None, folder: Path | None = None) -> RunInfo:
    """The run with this id, else the newest (live before dead) with this name; ``None``: the newest run."""
    runs = list_runs(folder)
    by_id = [info for info in runs if info.identity.run_id == which]
    by_name = [info for info in runs if which is None or info.identity.name == which]
    candidates = by_id or [info for info in by_name if info.alive] or by_name
    if not candidates:
        what = f"no run {which!r}" if which else "no runs"
        raise RunError("E_RUN_NOT_FOUND", what, hint="byteor ps lists the runs", exit=Exit.NOT_FOUND)
    return candidates[0]


def remove_run(info: RunInfo) -> None:
    """Delete the folders of a run that has ended. Raises ``E_RUN_ALIVE`` for a live one."""
    if info.alive:
        raise RunError("E_RUN_ALIVE", f"{info.identity.run_id} is live", exit=Exit.CONFLICT)
    if not info.ours:
        raise RunError("E_RUN_FOREIGN", f"{info.identity.run_id} is another user's", exit=Exit.REFUSED)
    regions = Path(info.identity.region_dir)
    # run.json is input: never follow it out of our own region root.
    import shutil

    if regions.parent == region_root() and regions.exists():
        shutil.rmtree(regions)
    shutil.rmtree(info.folder)


def orphaned_regions() -> list[tuple[Path, Path]]:
    """(region folder, run folder) of runs that nobody can find: no ``run.json``, and their owner is gone."""
    root = region_root()
    if not root.exists():
        return []
    check_private_folder(root)
    found = []
    for regions in root.iterdir():
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            owner = msgspec.json.decode((regions / OWNER_JSON).read_bytes(), type=RegionOwner)
            run = Path(owner.run_folder)
            here = owner.boot_id == boot_id() and is_alive(owner.pid, owner.pid_start_time)
            if not here and not (run / RUN_JSON).exists():
                found.append((regions, run))
    return found


def drop_lanes(regions: Path) -> None:
    """Remove the lanes of an ended run; its metrics stay."""
    for path in regions.glob("*.region"):
        if path.name != METRICS_REGION:
            path.unlink(missing_ok=True)


def drop_old_lanes(name: str, folder: Path | None = None) -> None:
    """Of the ended runs called ``name`` only the newest keeps its lanes: one that fails in a loop must not
    fill the shared memory."""
    ended = [info for info in list_runs(folder) if info.identity.name == name and not info.alive]
    for info in ended[1:]:
        regions = Path(info.identity.region_dir)
        if regions.parent == region_root():
            drop_lanes(regions)


def find_live_run(which: str | None, folder: Path | None = None) -> RunInfo:
    """As ``find_run``, but only a live one will do. Raises ``E_RUN_NOT_FOUND`` (exit 7) otherwise."""
    live = [info for info in list_runs(folder) if info.alive]
    chosen = [info for info in live if which in (None, info.identity.run_id, info.identity.name)]
    if not chosen:
        what = f"no live run {which!r}" if which else "no live run"
        raise RunError("E_RUN_NOT_FOUND", what, hint="byteor ps lists the runs", exit=Exit.NOT_FOUND)
    if len(chosen) > 1 and which is None:
        names = ", ".join(info.identity.run_id for info in chosen)
        raise RunError(
            "E_RUN_AMBIGUOUS", f"{len(chosen)} runs are live", hint=f"name one: {names}", exit=Exit.USAGE
        )
    return chosen[0]
