"""The places somebody has been: back and on, as a browser has them. Bounded."""

from __future__ import annotations

from byteor_tui.model.link import Place

KEPT = 50


class Visits:
    """``leave`` says where somebody was when they went somewhere new."""

    def __init__(self) -> None:
        self._before: list[Place] = []
        self._after: list[Place] = []

    def leave(self, here: Place) -> None:
        if not self._before or self._before[-1] != here:
            self._before = [*self._before[-KEPT + 1 :], here]
        self._after.clear()

    def back(self, here: Place) -> Place | None:
        """The place before; None at the start."""
        if not self._before:
            return None
        self._after.append(here)
        return self._before.pop()

    def on(self, here: Place) -> Place | None:
        """The place that ``back`` came from."""
        if not self._after:
            return None
        self._before.append(here)
        return self._after.pop()
