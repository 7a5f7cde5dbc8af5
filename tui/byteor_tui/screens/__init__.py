"""A module and a stylesheet for each place: composition and handlers. Modules are imported on first visit."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from byteor_tui.actions.places import PLACE_IDS

if TYPE_CHECKING:
    from textual.screen import Screen


def _maker(place: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        module = import_module(f"byteor_tui.screens.{place}")
        return cast("Screen[Any]", getattr(module, f"{place.capitalize()}Screen")())

    return make


MODES: dict[str, str | Callable[[], Screen[Any]]] = {place: _maker(place) for place in PLACE_IDS}
