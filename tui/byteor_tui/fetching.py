"""The part of the app that reads what the screen in front asks for: the list of runs, a bundle, a recording.

Each is read by a worker that posts a message; nothing is read twice while the same thing is looked at.
"""

from __future__ import annotations

import time

import msgspec
from textual import work
from textual.app import ScreenStackError

from byteor.errors import ByteorError
from byteor_tui.messages import (
    AuditPageRead,
    BundleRead,
    ChecksRead,
    RecordingRead,
    RunsFound,
    RunsUnreadable,
)
from byteor_tui.model.bundle_pages import BundlePages, read_pages
from byteor_tui.model.evidence import Checks
from byteor_tui.model.player import Player
from byteor_tui.model.replays import Replay
from byteor_tui.model.run import Run
from byteor_tui.model.runs import find_runs, find_snapshots, the_one
from byteor_tui.screens.audit import AuditScreen
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.working import Working

LOOK_FOR_RUNS_S = 1.0
KEPT_CHECKS = 200


class Fetching(Working):
    """``replaying`` says that the time cursor is in the recording that ``player`` goes through."""

    opens_itself = False
    player: Player | None = None
    replaying = False
    player_error = ""
    bundle = BundlePages()
    checks = Checks()
    looked_s = float("-inf")
    _bundle_asked = ""
    _player_of = ""
    _player_at = (0, -1)

    def open_run(self, run: Run) -> None:
        raise NotImplementedError

    @property
    def front(self) -> Skeleton | None:
        """The screen to draw on: none behind a modal, before the first and after the last screen."""
        try:
            screen = self.screen
        except ScreenStackError:
            return None
        return screen if isinstance(screen, Skeleton) else None

    def fetch_for(self, screen: Skeleton) -> None:
        """Begin to read what ``screen`` wants and nobody has read yet."""
        self._want_bundle(getattr(screen, "wanted_bundle", ""))
        self._want_player(getattr(screen, "wanted_replay", None))

    def seek_when_read(self, unix_ns: int, record: int) -> None:
        """Where to go in the recording once it is read."""
        self._player_at = (unix_ns, record)

    def look_for_runs(self) -> None:
        if time.monotonic() - self.looked_s >= LOOK_FOR_RUNS_S:
            self.looked_s = time.monotonic()
            self._find_runs()

    @work(thread=True, exclusive=True, exit_on_error=False, group="runs")
    def _find_runs(self) -> None:
        try:
            self.post_message(RunsFound([*find_runs(), *find_snapshots()]))
        except ByteorError as error:
            self.post_message(RunsUnreadable(error))
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            self.post_message(RunsUnreadable(ByteorError("E_RUNTIME_DIR", reason)))

    def _want_bundle(self, path: str) -> None:
        """Read the members of the bundle that is looked at, once."""
        if path and path != self._bundle_asked:
            self._bundle_asked = path
            self._read_bundle(path)

    @work(thread=True, exclusive=True, exit_on_error=False, group="bundles")
    def _read_bundle(self, path: str) -> None:
        self.post_message(BundleRead(read_pages(path)))

    def on_bundle_read(self, message: BundleRead) -> None:
        self.bundle = message.pages
        self.paint()

    def _want_player(self, replay: Replay | None) -> None:
        """Read the recording of the replay that is looked at, once; the one before is let go."""
        if replay is None or replay.path == self._player_of:
            return
        self._player_of, self.player, self.player_error = replay.path, None, ""
        self.replaying = False
        self._read_recording(replay)

    @work(thread=True, exclusive=True, exit_on_error=False, group="recordings")
    def _read_recording(self, replay: Replay) -> None:
        from byteor_tui.model.recorded import read_recorded

        try:
            self.post_message(RecordingRead(replay, read_recorded(replay), None))
        except ByteorError as error:
            self.post_message(RecordingRead(replay, None, error))
        except OSError as error:
            self.post_message(
                RecordingRead(replay, None, ByteorError("E_OS", f"{error.filename}: {error.strerror}"))
            )

    def on_recording_read(self, message: RecordingRead) -> None:
        if message.replay.path != self._player_of:
            return
        if message.error is not None:
            self.player_error = message.error.message
        elif message.recorded is not None:
            self.player = Player(message.replay, message.recorded)
            if self._player_at[0]:
                self.player.seek(*self._player_at)
                self.replaying, self._player_at = True, (0, -1)
        self.paint()

    def on_runs_found(self, message: RunsFound) -> None:
        if not isinstance(self.front, RunsScreen):
            return
        self.front.runs = tuple(message.runs)
        # At the start, the only live run opens itself; somebody who came back to the list wants the list.
        if self.opens_itself and (run := the_one(message.runs)) is not None:
            self.open_run(run)
        self.paint()

    def on_runs_unreadable(self, message: RunsUnreadable) -> None:
        last = self.log_pane.entries[-1].text if self.log_pane.entries else ""
        if last != message.error.message:
            self.say(message.error.message, ok=False)
        self.paint()

    def on_checks_read(self, message: ChecksRead) -> None:
        """Results that nobody kept, a read-only console's own, stay as long as the console does."""
        fresh = message.checks
        mine = (*self.checks.before, *([self.checks.now] if self.checks.rows else []))
        known = {(one.host, one.at_unix_ns): one for one in (*mine, *fresh.before)}
        known.pop((fresh.host, fresh.at_unix_ns), None)
        before = sorted(known.values(), key=lambda one: one.at_unix_ns)
        self.checks = msgspec.structs.replace(fresh, before=tuple(before)[-KEPT_CHECKS:])
        self.paint()

    def on_audit_page_read(self, message: AuditPageRead) -> None:
        if isinstance(self.front, AuditScreen):
            self.front.show_page(message.page)
        self.paint()
