"""The footer: the keys of this place, from the registry. Grey is dead; a click is the key."""

from __future__ import annotations

from textual import events

from byteor_tui.actions.registry import Action, key_label
from byteor_tui.tones import Line, Tone, span_width
from byteor_tui.widgets.lines_panel import LinesPanel


class FooterBar(LinesPanel):
    """One line of actions; knows where each was drawn."""

    def __init__(self, *, id: str | None = None) -> None:
        self._actions: list[tuple[Action, bool]] = []
        super().__init__(id=id)

    def show_actions(self, actions: list[tuple[Action, bool]]) -> None:
        """Show these actions; the flag says whether each is alive."""
        self._actions = actions
        self.show(lambda width, _height: [footer_line(actions, width)])

    async def on_click(self, event: events.Click) -> None:
        edge = 0
        for action, alive in _that_fit(self._actions, self.size.width):
            start, edge = edge, edge + span_width(_spans(action, alive))
            if start <= event.x < edge and alive:
                await self.run_action(f"app.act('{action.id}')")
                return


def footer_line(actions: list[tuple[Action, bool]], width: int) -> Line:
    """As many actions as fit; the ones with the highest ``footer`` number leave first."""
    return tuple(span for action, alive in _that_fit(actions, width) for span in _spans(action, alive))


def _that_fit(actions: list[tuple[Action, bool]], width: int) -> list[tuple[Action, bool]]:
    chosen: list[tuple[Action, bool]] = []
    left = width
    for action, alive in sorted(actions, key=lambda pair: pair[0].footer):
        size = span_width(_spans(action, alive))
        if action.footer and size <= left:
            chosen.append((action, alive))
            left -= size
    return [pair for pair in actions if pair in chosen]


def _spans(action: Action, alive: bool) -> Line:
    key, label = key_label(action.keys[0]), action.label
    if not alive:
        return ((f" {key} {label} ", Tone.DIM),)
    return ((" ", Tone.PLAIN), (key, Tone.KEY), (f" {label} ", Tone.PLAIN))
