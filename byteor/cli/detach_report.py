"""How ``byteor run --detach`` tells that the run is up, or what its processes said before it was not."""

from __future__ import annotations

import msgspec

from byteor.acts.detach import DetachError, run_detached
from byteor.acts.run import RunOrder
from byteor.cli.output import emit_json, emit_text, note
from byteor.cli.run_report import exit_code, summary


def start_detached(order: RunOrder, *, json: bool) -> None:
    """Start ``order`` in the background; its id goes to stdout. Raises what kept it from starting."""
    try:
        up = run_detached(order, lambda ended: (summary(ended), int(exit_code(ended))))
    except DetachError as error:
        if error.printed:
            note(error.printed.rstrip("\n"))
        raise
    if json:
        emit_json("run", {"detached": True, **msgspec.to_builtins(up)})
        return
    emit_text(up.run_id)
    at = f"; metrics at http://{up.metrics}/metrics" if up.metrics else ""
    note(f"up (pid {up.pid}){at}; byteor logs {up.name} --follow, byteor drain {up.name}")
