"""The part of the app that acts: a verb in a worker, its command line and its outcome in the log."""

from __future__ import annotations

import time

from textual import work

from byteor.errors import ByteorError, Exit
from byteor_tui.actions.verbs import command_line, run_commit, run_verb
from byteor_tui.messages import VerbEnded
from byteor_tui.model.arming import Commit
from byteor_tui.model.collector import Collector
from byteor_tui.model.log import Log
from byteor_tui.model.view import LogEntry
from byteor_tui.themed import Themed


class Working(Themed):
    """``paint`` is the app's: what came of an act is shown at once."""

    log_pane: Log
    collector: Collector

    def paint(self) -> None:
        raise NotImplementedError

    def say(self, text: str, *, ok: bool = True) -> None:
        """A line of the log that is no act."""
        self.log_pane.add(LogEntry(time.time_ns(), text, ok=ok))

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
            if document.get("from_start") is False:  # a replay of a part
                said = f"{said}, from the middle of the run: what stages remember began empty"
            reason = error.message if error is not None else str(said)
            hint = error.hint if error is not None else document.get("hint")
            self.say(f"{reason}; {hint}" if hint else reason, ok=False)
        self.collector.look_now()
        self.paint()
