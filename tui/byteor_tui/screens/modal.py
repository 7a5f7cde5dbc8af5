"""What stands over a screen until it is answered: once, however fast somebody types."""

from __future__ import annotations

from textual import events
from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType


class Modal(ModalScreen[ScreenResultType]):
    """Keys of one burst are in its queue already when the first of them closes it.

    Textual would take away a screen for each of them, at last the one below.
    """

    AUTO_FOCUS = None
    closed = False

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        if self.closed:
            return AwaitComplete()
        self.closed = True
        return super().dismiss(result)

    def handed_on(self, event: events.Key) -> bool:
        """Whether ``event`` came too late for this one; it is told to whatever stands there now."""
        if self.closed:
            self.app.post_message(events.Key(event.key, event.character))
        return self.closed
