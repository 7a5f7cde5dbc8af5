"""What stands over a screen until it is answered: once, however fast somebody types."""

from __future__ import annotations

import contextlib

from textual import events
from textual.await_complete import AwaitComplete
from textual.css.query import NoMatches
from textual.screen import ModalScreen, ScreenResultType


class Modal(ModalScreen[ScreenResultType]):
    """Keys of one burst are in its queue already when the first of them closes it.

    Textual would take away a screen for each of them, at last the one below.
    """

    AUTO_FOCUS = None
    closed = False

    def on_mount(self) -> None:
        self.call_after_refresh(self.redraw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def draw(self) -> None:
        """Show what it says on its widgets."""
        raise NotImplementedError

    def redraw(self) -> None:
        """``draw``, unless a burst of keys or sizes was faster than its widgets: they come, or have gone."""
        with contextlib.suppress(NoMatches):
            self.draw()

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
