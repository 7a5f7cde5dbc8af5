"""What a source worker publishes into: tickets, the tap, the lane or the shards, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from byteor.indexbus import Producer
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError
from byteor.runtime.adapter import DeadLetterBox, Tap
from byteor.runtime.tickets import Tickets


class Feed:
    """One ingress. ``ingress`` is its index among the sources, ``shard`` tells a message's producer.

    ``drop``: what a full lane has no room for is counted and forgotten. ``set_aside``: where messages go
    that no slot holds; without it such a message ends the run. ``watermarks``: an idle source tells its lane
    so, for a merge in order that would wait for it.
    """

    def __init__(
        self,
        ingress: int,
        producers: Sequence[Producer],
        slot_bytes: int,
        tickets: Tickets,
        *,
        shard: Callable[[bytes], int] | None = None,
        drop: bool = False,
        set_aside: DeadLetterBox | None = None,
        tap: Tap | None = None,
        watermarks: bool = False,
    ) -> None:
        self._ingress = ingress
        self._producers = producers
        self._slot_bytes = slot_bytes
        self._tickets = tickets
        self._shard = shard
        self._drop = drop
        self._set_aside = set_aside
        self._tap = tap
        self._watermarks = watermarks
        self.taken = 0  # messages that this ingress gave tickets to

    def put(self, name: str, messages: Sequence[bytes]) -> bool:
        """Publish all of ``messages``; False when the stream was aborted meanwhile.

        Raises ``E_OVERSIZE`` (``index``: its place in ``messages``) when a message fits no slot and nothing
        sets it aside.
        """
        messages = self._fitting(name, messages)
        first, arrival_ns = self._tickets.take(len(messages))
        self.taken += len(messages)
        if self._shard is not None:
            return self._to_shards(self._shard, messages, first, arrival_ns)
        if self._tap is not None:
            self._tap.ingress(self._ingress, 0, first, arrival_ns, messages)
        return self._publish(self._producers[0], messages, first)

    def waited(self, ns: int) -> None:
        """The source has waited for its peer so long, which is not work."""
        self._producers[0].idled(ns)

    def rest(self) -> bool:
        """Nothing came for a while: give signs of life, and let nobody wait for this source. True when
        somebody may wait for exactly this, so that it must be soon again."""
        for producer in self._producers:
            if self._watermarks:
                producer.watermark(self._tickets.peek(), self._ingress)
        self.beat()
        return self._watermarks

    def beat(self) -> None:
        """Give signs of life, also when nothing more comes."""
        for producer in self._producers:
            producer.beat()

    def close_stream(self) -> None:
        for producer in self._producers:
            producer.close_stream()

    def _publish(self, producer: Producer, messages: Sequence[bytes], first: int) -> bool:
        if self._drop:
            published = producer.try_publish_many(messages, self._ingress, first)
            if published < len(messages) and producer.ended in (End.OK, End.TIMEOUT):
                producer.dropped("full", len(messages) - published)
                return True
        else:
            published = producer.publish_many(messages, self._ingress, first)
        return published == len(messages)

    def _to_shards(
        self, shard: Callable[[bytes], int], messages: Sequence[bytes], first: int, arrival_ns: int
    ) -> bool:
        """Runs of neighbours for the same shard go out together; each shard sees its own in order."""
        start = 0
        at = shard(messages[0]) if messages else 0
        for index in range(1, len(messages) + 1):
            then = shard(messages[index]) if index < len(messages) else -1
            if then != at:
                part = messages[start:index]
                if self._tap is not None:
                    self._tap.ingress(self._ingress, at, first + start, arrival_ns, part)
                if not self._publish(self._producers[at], part, first + start):
                    return False
                start, at = index, then
        return True

    def _fitting(self, name: str, messages: Sequence[bytes]) -> Sequence[bytes]:
        limit = self._slot_bytes
        if max(map(len, messages), default=0) <= limit:
            return messages
        fitting = []
        for index, message in enumerate(messages):
            if len(message) <= limit:
                fitting.append(message)
                continue
            why = f"it has {len(message)} bytes, a slot holds {limit}"
            if self._set_aside is None:
                raise IndexBusError("E_OVERSIZE", why, index=index, length=len(message), limit=limit)
            self._set_aside.put(name, "E_OVERSIZE", why, message)
        return fitting
