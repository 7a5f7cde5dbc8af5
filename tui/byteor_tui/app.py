"""The app: owns run, log, time cursor and pace. Screens draw what it hands them; workers post messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.app import ScreenStackError
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from byteor.errors import ByteorError, Exit
from byteor_tui import glyphs
from byteor_tui.actions.registry import ACTIONS, BY_ID, Action, Danger, on_screen, remapped
from byteor_tui.actions.situation import Situation, missing, why_dead
from byteor_tui.acts import HANDLERS
from byteor_tui.driver import ConsoleDriver
from byteor_tui.model.collector import PERIOD_S, Collector
from byteor_tui.model.frame import Frame
from byteor_tui.model.link import Place
from byteor_tui.model.log import Log
from byteor_tui.model.reader import Reader
from byteor_tui.model.run import Run
from byteor_tui.model.runs import open_source
from byteor_tui.model.session import Session
from byteor_tui.model.snapshots import run_folder_of
from byteor_tui.model.source import Late, Source
from byteor_tui.model.specs import SpecBoard
from byteor_tui.model.text import refusal
from byteor_tui.model.view import Moment, View
from byteor_tui.model.visits import Visits
from byteor_tui.pacing import SLOW_HZ, SLOWEST_LOOK_S, Pacer
from byteor_tui.pointing import Pointing
from byteor_tui.present import situation_of, view_of
from byteor_tui.recorder import HELD_S, Recorder
from byteor_tui.recorder import PERIOD_S as NOTE_S
from byteor_tui.screens import MODES
from byteor_tui.screens.armed import ArmedScreen
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.terminal import WayOut

if TYPE_CHECKING:
    from byteor_tui.tour import Tour


class ConsoleApp(Pointing):
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
        on_drawn: Callable[[], None] | None = None,
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
        self.tour_line = ""
        self.marks: tuple[Moment, ...] = ()
        self.handover_seen = -1
        self.began_unix_ns = time.time_ns()
        self.at_unix_ns = 0
        self.pinned: Frame | None = None
        self.pacer = Pacer(
            self, self._tick, ssh="SSH_CONNECTION" in os.environ, line=self._line, on_rate=self._look_as_often
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
        self.reader: Reader | None = None
        self._collecting = False
        self._on_drawn = on_drawn
        self.held: tuple[Frame, int] | None = None
        self.recorder = Recorder(self.session.record, keep=self.session.keeps)
        for action in self.actions:
            if not (self.session.read_only and action.danger is Danger.COMMITS):
                self.bind(",".join(action.keys), f"act('{action.id}')", description=action.label)
        self.begin_with_theme(self.session.theme)

    # Life

    def on_load(self) -> None:
        if self._note:
            self.say(self._note)
        if self._first_run is not None:  # its first sample is taken while the screen is made
            self._read(self._first_run)

    def on_mount(self) -> None:
        if self._way_out is not None:
            self._way_out.leave_on_signals(self)
        if self._first_place is not None:
            self.go_to(self._first_place)
        if self.session.half and not self.session.read_only:
            self.say(self.session.half, ok=False)
        self.pacer.start()

    def on_unmount(self) -> None:
        self.pacer.stop()
        self.collector.close()
        if self.reader is not None:
            self.reader.close()
        self.recorder.close()

    def open_run(self, run: Run) -> None:
        """Read ``run`` from now on and show it. An ended run that cannot be opened is said in the log."""
        if self._read(run):
            self.go("overview")
            self.call_after_refresh(self.paint)

    def _read(self, run: Run) -> bool:
        try:
            source = self._opener(run)
        except (ByteorError, OSError) as error:
            if not run.alive:
                self.say(f"{run.run_id}: {refusal(error)}", ok=False)
                return False
            source = Late(lambda: self._opener(run))  # it may have only begun; the screen says so
        if self.reader is not None:
            self.reader.close()
        self.run_shown, self.held, self.pacer.frozen, self.opens_itself = run, None, False, False
        self.at_unix_ns, self.replaying = 0, False
        self.recorder.forget()
        if self.pinned is not None and self.pinned.name != run.name:
            self.pinned = None  # of the same pipeline it stays: a snapshot against the run
        self.collector.board.run_folder = run_folder_of(run) if run.kind else Path(run.folder)
        self.reader = Reader(source, self.pacer.collect_s)
        self.reader.start()
        what = "reading the snapshot" if run.kind else "watching"
        self.say(f"{what} {run.run_id}, read-only")
        return True

    # Places

    def go(self, screen: str, item: str = "", request: str = "") -> None:
        """Show a screen, the cursor on ``item`` when it is there; the place before is remembered.

        ``request``: on Diff the two specs of this one.
        """
        self.visits.leave(self.here)
        self._show(Place(screen, item=item, request=request))

    def go_to(self, place: Place) -> None:
        """Show a place out of the history or of a link, its moment too."""
        if place.screen == "replay" and place.at_unix_ns and not self.replaying:
            self.seek_when_read(place.at_unix_ns, place.record)
        elif not self.replaying and (place.at_unix_ns or self.at_unix_ns):
            self.at_unix_ns = place.at_unix_ns
        self.point(place)
        self._show(place)

    def _show(self, place: Place) -> None:
        if place.screen == "runs":
            self.looked_s, self.opens_itself = float("-inf"), False
        if place.screen not in self._screen_stacks:
            super().delay_update()  # it is made while nothing is shown of it
        self.switch_mode(place.screen)
        screen = self.screen
        if isinstance(screen, Skeleton):
            screen.request = place.request
            screen.wanted = place.item or screen.wanted
        if place.screen == "doctor" and not self.checks.rows and not self.checks.running:
            HANDLERS["check"](self)
        self.paint()
        self.call_after_refresh(self.paint)

    @property
    def here(self) -> Place:
        """Where the console is now."""
        screen = self.front
        run = self.run_shown.run_id if self.run_shown is not None else ""
        if screen is None or not screen.ready:
            return Place("runs", run)
        record = self.player.index if self.replaying and self.player is not None else -1
        return Place(screen.screen_id, run, screen.item, self.cursor_ns, record, screen.request)

    @property
    def cursor_ns(self) -> int:
        """Where the time cursor stands, in the recording or on the tape; 0 in the present."""
        if self.replaying and self.player is not None:
            return self.player.at_unix_ns
        return self.at_unix_ns

    # Drawing

    def delay_update(self, delay: float = 0.0) -> None:
        """Textual would hold every screen back for 50 ms lest it flicker: ``_show`` knows which might."""

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return ConsoleDriver if found is LinuxDriver else found

    def _look_as_often(self) -> None:
        if self.reader is not None:
            self.reader.pace(self.pacer.collect_s)
        self.collector.pace(SLOWEST_LOOK_S if self.pacer.hz <= SLOW_HZ else PERIOD_S)

    def _line(self) -> ConsoleDriver | None:
        return self._driver if isinstance(self._driver, ConsoleDriver) else None

    def _tick(self) -> None:
        self.paint(note_every_s=HELD_S if self.frozen else NOTE_S)

    def paint(self, note_every_s: float = NOTE_S) -> None:
        """Hand the newest frame to the screen in front; a modal over it keeps it as it is."""
        if not self.is_running or not self._screen_stack_exists:
            return
        if isinstance(self.screen, ArmedScreen):
            self.screen.redraw()
            return
        screen = self.front
        if screen is None or not screen.ready:
            return
        if isinstance(screen, RunsScreen):
            self.look_for_runs()
        if self.tour is not None:
            self.tour_line = self.tour.line(self)
        self.check_pointed(screen)
        now = self.situation()
        acts = [(action, missing(action, now) is None) for action in self.acts_here()]
        screen.draw(self.view(), acts)
        if not self._collecting:  # store and governance are imported there: after the first picture
            self._collecting = True
            self.call_after_refresh(self._drawn)
        self.collector.board.asked = getattr(screen, "wanted_spec", "")
        self.collector.want_comments(getattr(screen, "wanted_comments", ""))
        self.collector.board.request = getattr(screen, "wanted_side", "")
        live = self.reader.latest if self.reader is not None else None
        then = self.pinned.spec_hash if self.pinned is not None else ""
        self.collector.board.pinned_hash = then if live is not None and then != live.spec_hash else ""
        self.fetch_for(screen)
        self.recorder.see(screen, note_every_s)

    def _drawn(self) -> None:
        if self._on_drawn is not None:
            self._on_drawn()
        self.collector.start()

    @property
    def _screen_stack_exists(self) -> bool:
        try:
            return bool(self.screen_stack)
        except ScreenStackError:
            return False

    def acts_here(self) -> tuple[Action, ...]:
        """The acts of the screen in front."""
        screen = self.front
        if screen is None:
            return ()
        return on_screen(screen.screen_id, read_only=self.session.read_only, actions=self.actions)

    def view(self) -> View:
        """What is to be drawn now."""
        return view_of(self)

    def situation(self) -> Situation:
        """What needs are judged against: the console's own part, then the screen's."""
        return situation_of(self)

    @property
    def frozen(self) -> bool:
        return self.held is not None

    def set_frozen(self, frozen: bool) -> None:
        """Keep the frame on the screen, or be live again."""
        latest = self.reader.latest if self.reader is not None else None
        self.held = (latest, time.monotonic_ns()) if frozen and latest is not None else None
        self.pacer.frozen = self.held is not None
        self.pacer.adjust()

    async def on_event(self, event: events.Event) -> None:
        """What was typed behind the key that leaves finds no screen: Textual would break on it."""
        leaving = self._exit or not self._screen_stack_exists
        if not (leaving and isinstance(event, events.InputEvent)):
            await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Keys typed before prompt or palette had the keyboard arrive here: they are its text, no acts."""
        self.pacer.key_pressed()
        if getattr(self.screen, "reads_what_was_typed", False):
            self.screen.post_message(events.Key(event.key, event.character))  # read once it is composed
            return
        front = self.front
        if front is None or not front.ready:
            return
        if front.prompt.open:
            front.prompt.on_key(event)
        elif said := why_dead(event.key, self.situation(), front.screen_id, self.actions):
            self.say(said, ok=False)
            self.paint()

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
        """Do an act and paint what came of it at once, whatever the pace.

        A modal may have come before it (out of the palette, in a burst of keys); then it has no place.
        """
        if self.front is None or not self.front.ready:
            return
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
