"""What the acts of the registry do, a function each, by id. A screen's own ``act_ID`` comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from byteor_tui.acts import committing, looking, places, preparing, times

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp

Handler = Callable[["ConsoleApp"], None]

HANDLERS: dict[str, Handler] = {
    **places.HANDLERS,
    **looking.HANDLERS,
    **times.HANDLERS,
    **preparing.HANDLERS,
    **committing.HANDLERS,
}
