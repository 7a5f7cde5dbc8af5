"""Textual's driver with flow control: who draws can ask whether the terminal has shown what it was sent."""

from __future__ import annotations

import contextlib
import math
import os
import select
import sys
import threading
import time
from codecs import getincrementaldecoder
from queue import Full
from typing import Any

from textual import events
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from byteor_tui.pacing import Answers
from byteor_tui.terminal import GRACE_S, SIGHUP_EXIT

ASK = "\x1b[6n"  # where is the cursor? Every terminal answers, when it has come to this question.
SETTLE_S = 1.0
LOOK_MS = 2000  # a terminal that goes wakes a waiting poll at once; that is the kernel's habit, no promise


class Ended(threading.Event):
    """An event that a thread can wait for together with a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._fd

    def set(self) -> None:
        super().set()
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        super().clear()
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)


class ConsoleDriver(LinuxDriver):
    """``ready`` before a frame, ``ask`` with it. Written for Textual 8.2.8, whose writer is a thread."""

    def __init__(self, *args: Any, **given: Any) -> None:
        self.answers = Answers()
        super().__init__(*args, **given)
        self.exit_event = Ended()
        out, err = sys.__stdout__, sys.__stderr__
        if out is not None and out.isatty() and not (err is not None and err.isatty()):
            self._file = out  # with Textual's choice `2>errors.log` would leave the terminal black
        self._told_before, threading.excepthook = threading.excepthook, self._tell_unless_gone
        threading.Thread(target=self._leave_when_gone, name="byteor-hangup", daemon=True).start()

    def _tell_unless_gone(self, what: threading.ExceptHookArgs) -> None:
        """That the writer's terminal is gone is no news for whoever reads what went wrong in a file."""
        if what.thread is not self._writer_thread or not issubclass(what.exc_type, OSError):
            self._told_before(what)

    def ready(self, now_s: float) -> bool:
        """Whether a frame that is sent now would be shown now."""
        return not (self.answers.behind(now_s) or self._stuck())

    def ask(self, now_s: float) -> None:
        """To be called before a frame is painted: the answer to the next question says it was shown."""
        self.answers.asked(now_s)
        self.write(ASK)

    def write(self, data: str) -> None:
        """A writer whose terminal is gone has died: its queue would fill and hold up the app for ever."""
        writer = self._writer_thread
        while writer is not None and writer.is_alive():
            try:
                writer._queue.put(data, timeout=0.5)
                return
            except Full:
                continue
        self._app.exit(return_code=SIGHUP_EXIT)

    def run_input_thread(self) -> None:
        """Wait for keys or the end. Textual's own wakes ten times a second to look whether it is the end."""
        parser, decode = XTermParser(self._debug), getincrementaldecoder("utf-8")("replace").decode
        line = select.poll()
        line.register(self.exit_event, select.POLLIN)  # type: ignore[arg-type]
        line.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            due_s = parser._timeout_time  # after an escape: whether it begins something or was the key
            patience_ms = None if due_s is None else max(0, math.ceil(1000 * (due_s - get_time())))
            if any(fd == self.fileno for fd, _ in line.poll(patience_ms)):
                try:
                    data = os.read(self.fileno, 4096)
                except OSError:
                    data = b""
                if not data:  # the terminal is gone; somebody else looks after that
                    line.unregister(self.fileno)
                text = decode(data)
                for message in parser.feed(text) if text else ():  # half a letter is none yet
                    self.process_message(message)
            for message in parser.tick():
                self.process_message(message)

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.CursorPosition):
            self.answers.answered()
        else:
            super().process_message(message)

    def disable_input(self) -> None:
        """An answer that came after the end would stand in the shell's line as if it had been typed."""
        end = time.monotonic() + SETTLE_S
        while self.answers.expected and time.monotonic() < end:
            time.sleep(0.005)
        self.answers = Answers()
        super().disable_input()

    def close(self) -> None:
        """A dead writer is not told to stop: nobody takes from its queue, which may be full."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            super().close()

    def _leave_when_gone(self) -> None:
        """End the app when the terminal is gone, whatever it is busy with, and soon the process."""
        line = select.poll()
        line.register(self.fileno, 0)  # nothing but its end
        while not line.poll(LOOK_MS):
            pass
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._app.exit, None, SIGHUP_EXIT)
        time.sleep(GRACE_S)
        os._exit(SIGHUP_EXIT)

    def _sigcont_application(self, *_: object) -> None:
        """Textual starts a second reader and writer whenever somebody sends SIGCONT, as a hang-up does.

        Only what was left before is entered again here; a console that was stopped by SIGSTOP leaves first.
        """
        if self._must_signal_resume:
            super()._sigcont_application()
        elif self._auto_restart and self._writer_thread is not None:
            self._loop.call_soon_threadsafe(self._enter_again)  # a handler may hold the writer's lock

    def _enter_again(self) -> None:
        if os.isatty(self.fileno) and self._writer_thread is not None and self._writer_thread.is_alive():
            self.suspend_application_mode()
            self.resume_application_mode()
            self._app.refresh(layout=True)

    def _stuck(self) -> bool:
        """The writer still has something, or the line takes nothing more."""
        writer = self._writer_thread
        if writer is None:
            return False
        line = select.poll()
        line.register(writer.fileno(), select.POLLOUT)
        return writer._queue.qsize() > 0 or not line.poll(0)
