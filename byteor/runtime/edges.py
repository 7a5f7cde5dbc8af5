"""The two workers at a ring's ends: source to producer, egress to sink. Each runs in a thread of its own."""

from __future__ import annotations

import threading

from byteor.indexbus import Consumer, Producer
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError
from byteor.runtime.adapter import Sink, Source
from byteor.runtime.workers import Outcome, failed

BATCH = 256
IDLE_S = 0.05  # how long a quiet source or sink may keep its worker from looking around


def run_source(
    source: Source, producer: Producer, stop: threading.Event, max_messages: int | None
) -> Outcome:
    """Publish what ``source`` gives until it ends, ``stop`` is set or the ring is aborted.

    A message that no slot holds is never cut: it ends the run with its number (``E_OVERSIZE``).
    """
    taken = 0
    while not stop.is_set():
        room = BATCH if max_messages is None else min(BATCH, max_messages - taken)
        messages = source.read(room, IDLE_S) if room > 0 else None
        if messages is None:
            break
        if not messages:
            producer.beat()
            continue
        try:
            published = producer.publish_many(messages)
        except IndexBusError as error:
            if error.code != "E_OVERSIZE":
                raise
            at = taken + int(error.fields["index"])
            size = f"has {error.fields['length']} bytes, a slot holds {error.fields['limit']}"
            return failed("ingress", f"message {at + 1} of {source.name} {size}", error.code, at)
        taken += published
        if published < len(messages):
            return Outcome("ingress", "aborted")
    producer.close_stream()
    return Outcome("ingress", "finished")


def run_sink(sink: Sink, egress: Consumer) -> Outcome:
    """Hand every message to ``sink``, in order; slots are freed after the sink took them."""
    quiet = False
    while True:
        count = egress.peek(BATCH, IDLE_S)
        if count:
            views = egress.views()
            try:
                sink.write(views)
            finally:
                for view in views:  # the slots are the ring's again, whatever the sink's error still holds
                    view.release()
            egress.advance(count)
            quiet = False
        elif egress.ended == End.TIMEOUT:
            if not quiet:
                sink.flush()
                quiet = True
        else:
            break
    sink.flush()
    return Outcome("egress", "finished" if egress.ended == End.FINISHED else "aborted")
