"""The app: owns run, log and pace. Screens draw what it hands them; workers post messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar

from textual import events, work
from textual.app import App, ScreenStackError
from textual.binding import Binding

from byteor.errors import ByteorError, Exit
from byteor_tui import glyphs, themes
from byteor_tui.actions.registry import ACTIONS, BY_ID, Action, Need, on_screen
from byteor_tui.actions.snapshot import snapshot_argv, snapshot_folder
from byteor_tui.actions.verbs import command_line, run_verb
from byteor_tui.messages import RunsFound, RunsUnreadable, VerbEnded
from byteor_tui.model.frame import Frame
from byteor_tui.model.log import Log
from byteor_tui.model.reader import Reader
from byteor_tui.model.runs import Run, find_runs, open_source, the_one
from byteor_tui.model.source import Source
from byteor_tui.model.view import LogEntry, View
from byteor_tui.pacing import Pacer
from byteor_tui.screens.help import HelpScreen
from byteor_tui.screens.overview import OverviewScreen
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.terminal import WayOut

LOOK_FOR_RUNS_S = 1.0
TWICE_WITHIN_S = 2.0


class ConsoleApp(App[None]):
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
    MODES = {"runs": RunsScreen, "overview": OverviewScreen}
    DEFAULT_MODE = "runs"
    BINDINGS: ClassVar = [
        Binding(",".join(action.keys), f"act('{action.id}')", action.label, id=action.id)
        for action in ACTIONS
    ]

    def __init__(
        self,
        run: Run | None = None,
        opener: Callable[[Run], Source] = open_source,
        note: str = "",
        way_out: WayOut | None = None,
    ) -> None:
        super().__init__()
        self.failure: ByteorError | None = None
        self.log_pane = Log()
        self._first_run = run
        self._opens_itself = run is None
        self._opener = opener
        self._note = note
        self._way_out = way_out
        self._reader: Reader | None = None
        self._run: Run | None = None
        self._frozen: tuple[Frame, int] | None = None
        self._looked_s = float("-inf")
        self._quit_asked_s = float("-inf")
        self._pacer = Pacer(self, self._tick, ssh="SSH_CONNECTION" in os.environ)
        self._glyphs = glyphs.choose(os.environ)
        for theme in themes.THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = themes.choose(os.environ)

    # Life

    def on_mount(self) -> None:
        if self._way_out is not None:
            self._way_out.leave_on_signals(self)
        if self._note:
            self.say(self._note)
        if self._first_run is not None:
            self.open_run(self._first_run)
        self._pacer.start()

    def on_unmount(self) -> None:
        self._pacer.stop()
        if self._reader is not None:
            self._reader.close()

    def open_run(self, run: Run) -> None:
        """Read ``run`` from now on and show it. A run that cannot be opened is said in the log."""
        try:
            source = self._opener(run)
        except ByteorError as error:
            self.say(f"{run.run_id}: {error.message}", ok=False)
            return
        if self._reader is not None:
            self._reader.close()
        self._run, self._frozen, self._pacer.frozen, self._opens_itself = run, None, False, False
        self._reader = Reader(source)
        self._reader.start()
        self.say(f"watching {run.run_id}, read-only")
        self.switch_mode("overview")
        self.call_after_refresh(self._tick)

    def say(self, text: str, *, ok: bool = True) -> None:
        """A line of the log that is no act."""
        self.log_pane.add(LogEntry(time.time_ns(), text, ok=ok))

    # Drawing

    def _tick(self) -> None:
        """Hand the newest frame to the screen in front; a modal over it keeps it as it is."""
        screen = self._front
        if screen is None or not screen.ready or not self.is_running:
            return
        if isinstance(screen, RunsScreen):
            self._look_for_runs()
        screen.draw(
            self.view(), [(action, self._missing(action) is None) for action in on_screen(screen.screen_id)]
        )

    @property
    def _front(self) -> Skeleton | None:
        """The screen to draw on: none behind a modal, before the first and after the last screen."""
        try:
            screen = self.screen
        except ScreenStackError:
            return None
        return screen if isinstance(screen, Skeleton) else None

    def view(self) -> View:
        """What is to be drawn now."""
        now = time.monotonic_ns()
        frame = self._reader.latest if self._reader is not None else None
        error = self._reader.error.message if self._reader is not None and self._reader.error else ""
        paused_ns = None
        if self._frozen is not None:
            frame, since = self._frozen
            paused_ns = now - since
        return View(
            frame=frame,
            age_ns=max(0, now - frame.taken_ns) if frame is not None else 0,
            paused_ns=paused_ns,
            error=error,
            log=self.log_pane.entries,
            glyphs=self._glyphs,
            hz=self._pacer.hz,
            pace_note=self._pacer.because.value,
            cpu_share=self._pacer.cost.share,
        )

    def on_key(self, event: events.Key) -> None:
        self._pacer.key_pressed()

    def on_app_blur(self) -> None:
        self._pacer.adjust()

    def on_app_focus(self) -> None:
        self._pacer.adjust()

    def on_resize(self) -> None:
        self.call_after_refresh(self._tick)

    # Acts: one method an action of the registry, on the screen when it is the screen's, else here

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "act":
            return True
        act = BY_ID[str(parameters[0])]
        screen = self._front
        if screen is None or act not in on_screen(screen.screen_id):
            return False
        return True if self._missing(act) is None else None

    def action_act(self, id: str) -> None:
        """Do an act and paint what came of it at once, whatever the pace."""
        handler = getattr(self._front, f"act_{id}", None) or getattr(self, f"act_{id}")
        handler()
        self._tick()

    def _missing(self, action: Action) -> Need | None:
        has = {Need.RUN: self._reader is not None, Need.COMMAND: self.log_pane.last_command is not None}
        return next((need for need in action.needs if not has[need]), None)

    def act_snapshot(self) -> None:
        if self._run is None:
            return
        try:
            argv = snapshot_argv(self._run.run_id, time.time_ns(), snapshot_folder())
        except (ByteorError, OSError) as error:
            self.say(f"no place for snapshots: {error}", ok=False)
            return
        entry = LogEntry(time.time_ns(), command_line(argv), command=True, ok=None)
        self._run_verb(self.log_pane.add(entry), argv)

    def act_freeze(self) -> None:
        if self._frozen is not None:
            self._frozen = None
        elif self._reader is not None and self._reader.latest is not None:
            self._frozen = (self._reader.latest, time.monotonic_ns())
        self._pacer.frozen = self._frozen is not None
        self._pacer.adjust()

    def act_open(self) -> None:
        if isinstance(self._front, RunsScreen) and self._front.chosen is not None:
            self.open_run(self._front.chosen)

    def act_back(self) -> None:
        self._looked_s = float("-inf")
        self._opens_itself = False
        self.switch_mode("runs")

    def act_copy(self) -> None:
        if (command := self.log_pane.last_command) is not None:
            self.copy_to_clipboard(command)
            self.say("copied the last command line")

    def act_redraw(self) -> None:
        self.refresh(repaint=True, layout=True)

    def act_help(self) -> None:
        if (screen := self._front) is not None:
            self.push_screen(HelpScreen(on_screen(screen.screen_id), self._glyphs))

    def act_quit(self) -> None:
        if self.log_pane.running and not self._asked_twice():
            self.say("an act is still running; q again leaves without its result", ok=False)
        else:
            self.exit()

    def action_help_quit(self) -> None:
        """Textual's ctrl+c. Twice leaves."""
        if self._asked_twice():
            self.exit()
        else:
            self.say("ctrl+c again leaves; so does q")
            self._tick()

    def _asked_twice(self) -> bool:
        before, self._quit_asked_s = self._quit_asked_s, time.monotonic()
        return self._quit_asked_s - before <= TWICE_WITHIN_S

    # Workers and what they say

    def _look_for_runs(self) -> None:
        if time.monotonic() - self._looked_s >= LOOK_FOR_RUNS_S:
            self._looked_s = time.monotonic()
            self._find_runs()

    @work(thread=True, exclusive=True, exit_on_error=False, group="runs")
    def _find_runs(self) -> None:
        try:
            self.post_message(RunsFound(find_runs()))
        except ByteorError as error:
            self.post_message(RunsUnreadable(error))
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            self.post_message(RunsUnreadable(ByteorError("E_RUNTIME_DIR", reason)))

    @work(thread=True, exit_on_error=False, group="verbs")
    def _run_verb(self, number: int, argv: tuple[str, ...]) -> None:
        try:
            self.post_message(VerbEnded(number, run_verb(argv), None))
        except ByteorError as error:
            self.post_message(VerbEnded(number, None, error))

    def on_runs_found(self, message: RunsFound) -> None:
        if not isinstance(self._front, RunsScreen):
            return
        self._front.runs = tuple(message.runs)
        # At the start, the only live run opens itself; somebody who came back to the list wants the list.
        if self._opens_itself and (run := the_one(message.runs)) is not None:
            self.open_run(run)
        self._tick()

    def on_runs_unreadable(self, message: RunsUnreadable) -> None:
        last = self.log_pane.entries[-1].text if self.log_pane.entries else ""
        if last != message.error.message:
            self.say(message.error.message, ok=False)
        self._tick()

    def on_verb_ended(self, message: VerbEnded) -> None:
        result, error = message.result, message.error
        document = result.document if result is not None else {}
        seq = document.get("audit_seq")
        ok = result is not None and result.ok
        self.log_pane.settle(message.number, ok=ok, audit_seq=seq if isinstance(seq, int) else None)
        if ok and isinstance(document.get("path"), str):
            self.say(f"-> {document['path']}")
        elif not ok:
            reason = error.message if error is not None else str(document.get("message", "failed"))
            hint = error.hint if error is not None else document.get("hint")
            self.say(f"{reason}; {hint}" if hint else reason, ok=False)
        self._tick()

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
