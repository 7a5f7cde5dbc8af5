"""What workers tell the app. A worker never touches a widget; it posts one of these."""

from __future__ import annotations

from textual.message import Message

from byteor.errors import ByteorError
from byteor_tui.actions.verbs import VerbResult
from byteor_tui.model.bundle_pages import BundlePages
from byteor_tui.model.evidence import AuditPage, Checks
from byteor_tui.model.recorded import Recorded
from byteor_tui.model.replays import Replay
from byteor_tui.model.run import Run


class RunsFound(Message):
    """Somebody has looked for runs."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        super().__init__()


class RunsUnreadable(Message):
    """The runtime folder could not be read."""

    def __init__(self, error: ByteorError) -> None:
        self.error = error
        super().__init__()


class VerbEnded(Message):
    """A verb has run; ``number`` is the log entry it belongs to. Exactly one of the two others is set."""

    def __init__(self, number: int, result: VerbResult | None, error: ByteorError | None) -> None:
        self.number = number
        self.result = result
        self.error = error
        super().__init__()


class ChecksRead(Message):
    """The doctor has ended, or has said why not."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        super().__init__()


class RecordingRead(Message):
    """The recording of a replay has been read, or why not. Exactly one of the two others is set."""

    def __init__(self, replay: Replay, recorded: Recorded | None, error: ByteorError | None) -> None:
        self.replay = replay
        self.recorded = recorded
        self.error = error
        super().__init__()


class BundleRead(Message):
    """The members of a bundle have been read."""

    def __init__(self, pages: BundlePages) -> None:
        self.pages = pages
        super().__init__()


class AuditPageRead(Message):
    """A page of the audit log that somebody leafed to."""

    def __init__(self, page: AuditPage) -> None:
        self.page = page
        super().__init__()
