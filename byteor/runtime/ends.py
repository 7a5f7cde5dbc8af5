"""What a run is joined to, and which of it the kernel can play by itself."""

from __future__ import annotations

import msgspec

from byteor.runtime.adapter import DeadLetterBox, NativeSource, Sink, Source, Tap
from byteor.runtime.prepare import Prepared
from byteor.runtime.shards import place_of
from byteor.runtime.wiring import WorkerPlan


class Ends(msgspec.Struct, frozen=True):
    """What a run is joined to: a source and a sink an endpoint, in the order of the spec; who records what
    passes; and where messages go that nobody can deliver (``set_aside_oversize``: or no slot holds)."""

    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    tap: Tap | None = None
    dead_letters: DeadLetterBox | None = None
    set_aside_oversize: bool = False

    def native_source(self, worker: WorkerPlan, prepared: Prepared) -> NativeSource | None:
        """What the kernel needs to play the source ``worker`` itself.

        None when Python must: for a tap, for stages that ask when messages arrived, for tickets that several
        sources share, or to choose a shard by a key that must be looked for.
        """
        found = getattr(self.sources[worker.endpoint], "native", None)
        unseen = self.tap is None and not prepared.clocked
        if not unseen or len(self.sources) != 1 or not isinstance(found, NativeSource):
            return None
        if len(worker.tx) == 1:
            return found
        key = place_of(prepared.wiring.shard_key or "")
        return None if key is None else msgspec.structs.replace(found, key=key)

    def native_sink(self, worker: WorkerPlan) -> bool:
        """Whether the kernel can play the sink ``worker``, which then only forgets."""
        return self.tap is None and bool(getattr(self.sinks[worker.endpoint], "native", False))
