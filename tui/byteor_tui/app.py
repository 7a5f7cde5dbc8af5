"""The app: owns run, log, time cursor and pace. Screens draw what it hands them; workers post messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from textual import events, work
from textual.app import ScreenStackError
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from byteor.errors import ByteorError, Exit
from byteor_tui import glyphs
from byteor_tui.actions.registry import ACTIONS, BY_ID, Action, Danger, on_screen, remapped
from byteor_tui.actions.situation import Situation, missing
from byteor_tui.actions.verbs import command_line, run_commit, run_verb
from byteor_tui.acts import HANDLERS
from byteor_tui.driver import ConsoleDriver
from byteor_tui.messages import (
    AuditPageRead,
    BundleRead,
    ChecksRead,
    RecordingRead,
    RunsFound,
    RunsUnreadable,
    VerbEnded,
)
from byteor_tui.model.approvals import as_of
from byteor_tui.model.arming import Commit
from byteor_tui.model.bundle_pages import BundlePages, read_pages
from byteor_tui.model.collector import Collector
from byteor_tui.model.evidence import Checks, Evidence, Handover
from byteor_tui.model.frame import Frame
from byteor_tui.model.link import Place
from byteor_tui.model.log import Log
from byteor_tui.model.moments import differences, moments
from byteor_tui.model.player import Player
from byteor_tui.model.reader import Reader
from byteor_tui.model.replays import Replay
from byteor_tui.model.runs import Run, find_runs, find_snapshots, open_source, the_one
from byteor_tui.model.session import Session
from byteor_tui.model.snapshots import run_folder_of
from byteor_tui.model.source import Source
from byteor_tui.model.specs import SpecBoard
from byteor_tui.model.view import LogEntry, Moment, View
from byteor_tui.model.visits import Visits
from byteor_tui.pacing import Pacer
from byteor_tui.recorder import Recorder
from byteor_tui.screens import MODES
from byteor_tui.screens.armed import ArmedScreen
from byteor_tui.screens.audit import AuditScreen
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.terminal import WayOut
from byteor_tui.themed import Themed

if TYPE_CHECKING:
    from byteor_tui.tour import Tour

LOOK_FOR_RUNS_S = 1.0


class ConsoleApp(Themed):
    """``run`` is opened at the start; without one the list of runs is shown; the only live run opens itself.

    ``opener`` makes the source of a run: shared memory, or what a test hands in. ``note`` is the log's first
    line. ``failure`` is set when the console itself broke; the caller reports it when the terminal is back.
    """

    TITLE = "byteor"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (60, "-narrow"), (100, "-mid"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [
        (0, "-sliver"),
        (5, "-flat"),
        (17, "-low"),
        (23, "-short"),
        (34, "-tall"),
        (50, "-xtall"),
    ]
    MODES = MODES
    DEFAULT_MODE = "runs"

    def __init__(
        self,
        run: Run | None = None,
        opener: Callable[[Run], Source] = open_source,
        note: str = "",
        way_out: WayOut | None = None,
        session: Session | None = None,
        place: Place | None = None,
    ) -> None:
        if run is not None:  # the list of runs, which nobody would see, need not be composed first
            self.DEFAULT_MODE = "overview"  # type: ignore[misc]  # Textual reads it of the instance
        super().__init__()
        self.session = session or Session()
        self.actions = remapped(self.session.keys, ACTIONS)
        self.failure: ByteorError | None = None
        self.log_pane = Log()
        self.visits = Visits()
        self.acted: set[str] = set()
        self.tour: Tour | None = None
        self._tour_line = ""
        self.marks: tuple[Moment, ...] = ()
        self.handover_seen = -1
        self._began_unix_ns = time.time_ns()
        self.at_unix_ns = 0
        self.pinned: Frame | None = None
        self.player: Player | None = None
        self.replaying = False
        self._player_error = ""
        self._bundle, self._bundle_asked = BundlePages(), ""
        self._player_of = ""
        self._player_at = 0
        self.checks = Checks()
        self.pacer = Pacer(
            self, self.paint, ssh="SSH_CONNECTION" in os.environ, line=self._line, on_rate=self._look_as_often
        )
        self.collector: Collector = Collector(SpecBoard(self.session.spec))
        self.run_shown: Run | None = None
        self.identity = next(iter(self.session.identities), ("", ""))
        self.glyphs = glyphs.choose(os.environ)
        self._first_run, self._first_place = run, place
        self.opens_itself = run is None
        self._opener = opener
        self._note = note
        self._way_out = way_out
        self._reader: Reader | None = None
        self._collecting = False
        self._frozen: tuple[Frame, int] | None = None
        self.recorder = Recorder(self.session.record, keep=self.session.keeps)
        self.looked_s = float("-inf")
        for action in self.actions:
            if not (self.session.read_only and action.danger is Danger.COMMITS):
                self.bind(",".join(action.keys), f"act('{action.id}')", description=action.label)
        self.begin_with_theme(self.session.theme)

    # Life

    def on_mount(self) -> None:
        if self._way_out is not None:
            self._way_out.leave_on_signals(self)
        if self._note:
            self.say(self._note)
        if self._first_run is not None:
            self.open_run(self._first_run)
        if self._first_place is not None:
            self.go_to(self._first_place)
        self.pacer.start()

    def on_unmount(self) -> None:
        self.pacer.stop()
        self.collector.close()
        if self._reader is not None:
            self._reader.close()
        self.recorder.close()

    def open_run(self, run: Run) -> None:
        """Read ``run`` from now on and show it. A run that cannot be opened is said in the log."""
        try:
            source = self._opener(run)
        except ByteorError as error:
            self.say(f"{run.run_id}: {error.message}", ok=False)
            return
        if self._reader is not None:
            self._reader.close()
        self.run_shown, self._frozen, self.pacer.frozen, self.opens_itself = run, None, False, False
        self.at_unix_ns, self.replaying = 0, False
        self.recorder.forget()
        if self.pinned is not None and self.pinned.name != run.name:
            self.pinned = None  # of the same pipeline it stays: a snapshot against the run
        self.collector.board.run_folder = run_folder_of(run) if run.kind else Path(run.folder)
        self._reader = Reader(source, self.pacer.collect_s)
        self._reader.start()
        what = "reading the snapshot" if run.kind else "watching"
        self.say(f"{what} {run.run_id}, read-only")
        self.go("overview")
        self.call_after_refresh(self.paint)

    def say(self, text: str, *, ok: bool = True) -> None:
        """A line of the log that is no act."""
        self.log_pane.add(LogEntry(time.time_ns(), text, ok=ok))

    # Places

    def go(self, screen: str, item: str = "") -> None:
        """Show a screen, the cursor on ``item`` when it is there; the place before is remembered."""
        self.visits.leave(self.here)
        self._show(Place(screen, item=item))

    def go_to(self, place: Place) -> None:
        """Show a place out of the history or of a link, its moment too."""
        if place.screen == "replay" and place.at_unix_ns and not self.replaying:
            self._player_at = place.at_unix_ns  # where to go once its recording is read
        elif not self.replaying and (place.at_unix_ns or self.at_unix_ns):
            self.at_unix_ns = place.at_unix_ns
        self._show(place)

    def _show(self, place: Place) -> None:
        if place.screen == "runs":
            self.looked_s, self.opens_itself = float("-inf"), False
        self.switch_mode(place.screen)
        screen = self.screen
        if isinstance(screen, Skeleton) and place.item:
            screen.wanted = place.item
        if place.screen == "doctor" and not self.checks.rows and not self.checks.running:
            HANDLERS["check"](self)
        self.call_after_refresh(self.paint)

    @property
    def here(self) -> Place:
        """Where the console is now."""
        screen = self.front
        run = self.run_shown.run_id if self.run_shown is not None else ""
        if screen is None or not screen.ready:
            return Place("runs", run)
        return Place(screen.screen_id, run, screen.item, self.cursor_ns)

    @property
    def cursor_ns(self) -> int:
        """Where the time cursor stands, in the recording or on the tape; 0 in the present."""
        if self.replaying and self.player is not None:
            return self.player.at_unix_ns
        return self.at_unix_ns

    # Drawing

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return ConsoleDriver if found is LinuxDriver else found

    def _look_as_often(self) -> None:
        if self._reader is not None:
            self._reader.pace(self.pacer.collect_s)

    def _line(self) -> ConsoleDriver | None:
        return self._driver if isinstance(self._driver, ConsoleDriver) else None

    def paint(self) -> None:
        """Hand the newest frame to the screen in front; a modal over it keeps it as it is."""
        if not self.is_running or not self._screen_stack_exists:
            return
        if isinstance(self.screen, ArmedScreen):
            self.screen.draw()
            return
        screen = self.front
        if screen is None or not screen.ready:
            return
        if isinstance(screen, RunsScreen):
            self._look_for_runs()
        if self.tour is not None:
            self._tour_line = self.tour.line(self)
        now = self.situation()
        acts = [(action, missing(action, now) is None) for action in self.acts_here()]
        screen.draw(self.view(), acts)
        if not self._collecting:  # store and governance are imported there: after the first picture
            self._collecting = True
            self.call_after_refresh(self.collector.start)
        self.collector.board.asked = getattr(screen, "wanted_spec", "")
        live = self._reader.latest if self._reader is not None else None
        then = self.pinned.spec_hash if self.pinned is not None else ""
        self.collector.board.pinned_hash = then if live is not None and then != live.spec_hash else ""
        self._want_bundle(getattr(screen, "wanted_bundle", ""))
        self._want_player(getattr(screen, "wanted_replay", None))
        self.recorder.see(screen)

    @property
    def _screen_stack_exists(self) -> bool:
        try:
            return bool(self.screen_stack)
        except ScreenStackError:
            return False

    @property
    def front(self) -> Skeleton | None:
        """The screen to draw on: none behind a modal, before the first and after the last screen."""
        try:
            screen = self.screen
        except ScreenStackError:
            return None
        return screen if isinstance(screen, Skeleton) else None

    def acts_here(self) -> tuple[Action, ...]:
        """The acts of the screen in front."""
        screen = self.front
        if screen is None:
            return ()
        return on_screen(screen.screen_id, read_only=self.session.read_only, actions=self.actions)

    def view(self) -> View:
        """What is to be drawn now."""
        now = time.monotonic_ns()
        reader = self._reader
        frame = reader.latest if reader is not None else None
        error = reader.error.message if reader is not None and reader.error else ""
        paused_ns = None
        if self._frozen is not None:
            frame, since = self._frozen
            paused_ns = now - since
        if self.at_unix_ns and reader is not None:
            frame = reader.tape.at(self.at_unix_ns) or frame
        evidence = self.collector.latest
        span = reader.tape.span if reader is not None else None
        marks, player = self.marks, self.player
        if player is not None:
            player.tick(now)
        if player is not None and self.replaying:
            frame, span, paused_ns = player.frame or frame, player.span, None
            marks = (*marks, *differences(player))
        return View(
            frame=frame,
            age_ns=max(0, now - frame.taken_ns) if frame is not None else 0,
            paused_ns=paused_ns,
            error=error,
            log=self.log_pane.entries,
            glyphs=self.glyphs,
            hz=self.pacer.hz,
            pace_note=self.pacer.because.value,
            cpu_share=self.pacer.cost.share,
            evidence=self._evidence_at_cursor(evidence),
            specs=self.collector.specs,
            checks=self.checks,
            at_unix_ns=self.cursor_ns,
            pinned=self.pinned,
            span=span,
            moments=moments(frame, evidence.audit.known, marks),
            handover=self._unread(evidence.handover),
            read_only=self.session.read_only,
            env=self.session.env,
            kid=self.identity[0],
            now_unix_ns=time.time_ns(),
            tour=self._tour_line,
            player=self.player,
            player_error=self._player_error,
            replaying=self.replaying,
            bundle=self._bundle,
            kind=self.run_shown.kind if self.run_shown is not None else "",
        )

    def _unread(self, handover: Handover | None) -> Handover | None:
        """The handover that was there when this console started, until somebody has read it."""
        if handover is None or handover.audit_seq <= self.handover_seen:
            return None
        return handover if handover.at_unix_ns < self._began_unix_ns else None

    def _evidence_at_cursor(self, evidence: Evidence) -> Evidence:
        """Requests as they stood at the cursor; nothing can be signed in the past."""
        if not self.cursor_ns:
            return evidence
        then = as_of(evidence.approvals, evidence.audit.known, self.cursor_ns)
        return msgspec.structs.replace(evidence, approvals=then)

    def situation(self) -> Situation:
        """What needs are judged against: the console's own part, then the screen's."""
        frame = self._reader.latest if self._reader is not None else None
        base = Situation(
            run=self._reader is not None,
            command=self.log_pane.last_command is not None,
            alerts=len(frame.needs) if frame is not None else 0,
            at_cursor=bool(self.cursor_ns),
            replayed=self.player is not None,
            read_only=self.session.read_only,
            kid=self.identity[0],
            key_file=self.identity[1],
            env=self.session.env or (frame.env if frame is not None else ""),
            demo=self.session.fault is not None,
            web=self.is_web,
        )
        screen = self.front
        return screen.situation(base) if screen is not None and screen.ready else base

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def set_frozen(self, frozen: bool) -> None:
        """Keep the frame on the screen, or be live again."""
        latest = self._reader.latest if self._reader is not None else None
        self._frozen = (latest, time.monotonic_ns()) if frozen and latest is not None else None
        self.pacer.frozen = self._frozen is not None
        self.pacer.adjust()

    def on_key(self, event: events.Key) -> None:
        self.pacer.key_pressed()

    def on_app_blur(self) -> None:
        self.pacer.adjust()

    def on_app_focus(self) -> None:
        self.pacer.adjust()

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    # Acts: a function an action of the registry, on the screen when it is the screen's, else in acts/

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "act":
            return True
        act = next((one for one in self.acts_here() if one.id == parameters[0]), None)
        if act is None:
            return False
        return True if missing(act, self.situation()) is None else None

    def action_act(self, id: str) -> None:
        """Do an act and paint what came of it at once, whatever the pace."""
        if BY_ID[id].danger is not Danger.LOOKS and not self._still_meant(id):
            return
        self.acted.add(id)
        handler = getattr(self.front, f"act_{id}", None)
        if handler is not None:
            handler()
        else:
            HANDLERS[id](self)
        self.paint()

    def _still_meant(self, id: str) -> bool:
        """Whether an act that is more than a look still has its needs and its target now.

        The key was pressed on what was painted last; what is true now may be another row.
        """
        before = self.here
        self.paint()
        act = next((one for one in self.acts_here() if one.id == id), None)
        if self.here.item != before.item:
            self.say("what was under the cursor went meanwhile: nothing was done", ok=False)
            self.paint()
            return False
        return act is not None and missing(act, self.situation()) is None

    def action_help_quit(self) -> None:
        """Textual's ctrl+c. Twice leaves."""
        HANDLERS["interrupt"](self)
        self.paint()

    # Workers and what they say

    def _look_for_runs(self) -> None:
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

    def run_act(self, argv: tuple[str, ...], armed: Commit | None = None, shown: str = "") -> int:
        """Run a verb in a worker; its line stands in the log. Returns the line's number."""
        entry = LogEntry(time.time_ns(), shown or command_line(argv), command=True, ok=None)
        number = self.log_pane.add(entry)
        self._run_verb(number, argv, armed)
        return number

    @work(thread=True, exit_on_error=False, group="verbs")
    def _run_verb(self, number: int, argv: tuple[str, ...], armed: Commit | None) -> None:
        try:
            result = run_commit(armed) if armed is not None else run_verb(argv)
            self.post_message(VerbEnded(number, result, None))
        except ByteorError as error:
            self.post_message(VerbEnded(number, None, error))

    def _want_bundle(self, path: str) -> None:
        """Read the members of the bundle that is looked at, once."""
        if path and path != self._bundle_asked:
            self._bundle_asked = path
            self._read_bundle(path)

    @work(thread=True, exclusive=True, exit_on_error=False, group="bundles")
    def _read_bundle(self, path: str) -> None:
        self.post_message(BundleRead(read_pages(path)))

    def on_bundle_read(self, message: BundleRead) -> None:
        self._bundle = message.pages
        self.paint()

    def _want_player(self, replay: Replay | None) -> None:
        """Read the recording of the replay that is looked at, once; the one before is let go."""
        if replay is None or replay.path == self._player_of:
            return
        self._player_of, self.player, self._player_error = replay.path, None, ""
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
            self._player_error = message.error.message
        elif message.recorded is not None:
            self.player = Player(message.replay, message.recorded)
            if self._player_at:
                self.player.seek(self._player_at)
                self.replaying, self._player_at = True, 0
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
        self.checks = message.checks
        self.paint()

    def on_audit_page_read(self, message: AuditPageRead) -> None:
        if isinstance(self.front, AuditScreen):
            self.front.show_page(message.page)
        self.paint()

    def on_verb_ended(self, message: VerbEnded) -> None:
        result, error = message.result, message.error
        document = result.document if result is not None else {}
        seq = document.get("audit_seq")
        waits = result is not None and result.exit == Exit.PENDING  # done, and a second person is wanting
        ok = result is not None and (result.ok or waits)
        self.log_pane.settle(message.number, ok=ok, audit_seq=seq if isinstance(seq, int) else None)
        if ok and isinstance(document.get("path"), str):
            self.say(f"-> {document['path']}")
        elif ok and isinstance(document.get("request_id"), str):
            self.say(f"-> {document['request_id']} {document.get('state', '')}".rstrip())
        elif waits and isinstance(lifters := document.get("lifters"), list):
            self.say(f"{', '.join(map(str, lifters))} signed; a second person must, too")
        elif not ok:
            code = result.exit if result is not None else 0
            said = document.get("message") or document.get("verdict") or f"it ended with exit {code}"
            reason = error.message if error is not None else str(said)
            hint = error.hint if error is not None else document.get("hint")
            self.say(f"{reason}; {hint}" if hint else reason, ok=False)
        self.collector.look_now()
        self.paint()

    # Breaking: no traceback reaches an operator

    def panic(self, *renderables: object) -> None:
        """Leave with one sentence instead of Textual's rendering of the error."""
        self._fatal_error()

    def _fatal_error(self) -> None:
        if os.environ.get("BYTEOR_DEBUG") == "1":
            super()._fatal_error()
            return
        error = self._exception
        what = f"{type(error).__name__}: {error}" if error is not None else "the terminal went away"
        hint = "this is a defect; run again with BYTEOR_DEBUG=1 and report what it prints"
        self.failure = ByteorError("E_CONSOLE", f"the console broke: {what}", hint=hint, exit=Exit.RUNTIME)
        self._close_messages_no_wait()
