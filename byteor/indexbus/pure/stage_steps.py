"""The steps of stages: in the slots of a ring, and from lane to lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from byteor.indexbus.abi import ABORTED, WATERMARK, End
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.jobs import InPlace, Through
from byteor.indexbus.pure.ports import SKIP, Item
from byteor.indexbus.pure.stages import STAGES, StageRefusal
from byteor.indexbus.pure.step import JobFailed, Step

Settle = Callable[[int, Any, Any], None]  # place in the batch, what was given, what came back


class _StageStep(Step):
    """Calls what the stage is and settles one result after the other."""

    job: InPlace | Through
    _at = 0  # the place of the message that is being handled

    def handle(self, given: list[Any], places: Sequence[int], settle: Settle) -> None:
        """Run the stage over ``given``. Raises ``JobFailed`` at the first message that it could not handle;
        everything before it is settled.
        """
        first = self.sequence
        try:
            for place, message, result in self._results(given, places):
                settle(place, message, result)
        except StageRefusal:
            raise JobFailed(End.STAGE_ERROR, first + self._at, None) from None
        except IndexBusError as error:
            long = error.code == "E_OVERSIZE"
            cause = None if long and self.job.native is not None else error
            raise JobFailed(End.TOO_LONG if long else End.STAGE_ERROR, first + self._at, cause) from error
        except Exception as error:
            raise JobFailed(End.STAGE_ERROR, first + self._at, error) from error

    def _results(self, given: list[Any], places: Sequence[int]) -> Iterator[tuple[int, Any, Any]]:
        job = self.job
        self._at = places[0] if places else 0
        if job.batch is not None:
            self._hold()
            results = job.batch(given) if given else None
            results = tuple(given if results is None else results)  # None: left alone, or changed in place
            if len(results) != len(given):
                raise ValueError(f"a batch of {len(given)} messages gave {len(results)} results")
            for self._at, message, result in zip(places, given, results, strict=True):
                yield self._at, message, result
        elif job.function is not None:
            for self._at, message in zip(places, given, strict=True):
                self._hold()
                yield self._at, message, job.function(message)
        else:
            name, parameter = job.native or ("identity", b"")
            stage = STAGES[name]
            for self._at, message in zip(places, given, strict=True):
                yield self._at, message, stage(message, parameter)

    def _hold(self) -> None:
        """What is handled now: should the stage hang, somebody outside can say over what."""
        if self.row is not None:
            self.row.hold(self.sequence + self._at)


class InPlaceStep(_StageStep):
    """In the slots of a ring."""

    def __init__(self, job: InPlace) -> None:
        super().__init__(job, [job.rx], [])
        self.job: InPlace = job

    def move(self, most: int) -> int:
        inlet, rx = self.inlets[0], self.job.rx
        n = inlet.look(most)
        if not n:
            return 0
        shapes = [rx.describe(i) for i in range(n)]
        places = [i for i in range(n) if not shapes[i][1] & SKIP]
        views = self.job.views and self.job.batch is not None
        given: list[Any] = rx.views() if views else [rx.payload(i) for i in places]
        filtered = 0

        def settle(i: int, message: Any, result: Any) -> None:
            nonlocal filtered
            if result is None:
                filtered += 1
                rx.filter(i)
            elif isinstance(result, list | tuple):
                raise TypeError("a bytes-like object is required, not 'list'")
            elif result is not message:
                rx.write(i, result)

        done = n
        try:
            self.handle(given, places, settle)
        except JobFailed as failed:
            done = failed.sequence - inlet.sequence
            raise
        finally:
            given.clear()
            marks = sum(bool(shape[1] & WATERMARK) for shape in shapes[:done])
            stamped = [Item(b"", 0, 0, 0, rx.stamp(i)) for i in places if i < done and rx.stamp(i)]
            inlet.advance(done)
            self.latency(stamped)
            self.batch(done - marks, sum(i < done for i in places) - filtered, filtered)
        return n


class ThroughStep(_StageStep):
    """From lane to lane, or to nowhere."""

    def __init__(self, job: Through) -> None:
        super().__init__(job, [job.rx], [] if job.tx is None else [job.tx])
        self.job: Through = job
        self._waiting: deque[Item] = deque()  # results of messages that gave more than the lane could take
        self._held = 0  # messages that they came from: not released before the last result lies in the lane

    @property
    def empty(self) -> bool:
        return super().empty and not self._waiting

    def move(self, most: int) -> int:
        inlet, job = self.inlets[0], self.job
        moved = self._flush()
        if self._waiting:
            return moved
        if self._held:
            inlet.look(self._held)
            inlet.advance(self._held)
            self._held = 0
        n = inlet.look(most)
        if n and self.outlets and not self.outlets[0].drop:
            n = min(n, self.outlets[0].free())
        if not n:
            return moved + self.tell(inlet.floor)
        items = inlet.items(n)
        places = [i for i, item in enumerate(items) if not item.flags & SKIP]
        given: list[Any] = [items[i].payload for i in places]
        if job.views and job.batch is not None:
            given = [memoryview(bytearray(message)) for message in given]
        out = filtered = 0

        def settle(i: int, message: Any, result: Any) -> None:
            nonlocal out, filtered
            if job.tx is None:
                out += 1
                return
            many = result if isinstance(result, list | tuple) else () if result is None else (result,)
            made = [_made(items[i], bytes(one), job.tx.slot_bytes) for one in many]
            filtered += not made
            self._waiting.extend(made)

        done = n
        try:
            self.handle(given, places, settle)
        except JobFailed as failed:
            done = failed.sequence - inlet.sequence
            raise
        finally:
            aborted = sum(bool(item.flags & ABORTED) for item in items[:done])
            self._flush()
            if self._waiting:
                self._held = done
            else:
                inlet.advance(done)
            self.latency(items[:done])
            self.batch(sum(i < done for i in places) + aborted, out, filtered, aborted)
        return n + self.tell(inlet.floor)

    def _flush(self) -> int:
        """Put what waits, as far as it fits. Counted here: what is dropped was not handed on."""
        moved, lost = 0, self.lost()
        while self._waiting and self.outlets[0].put(self._waiting[0]):
            self._waiting.popleft()
            moved += 1
        self.add(out=moved - (self.lost() - lost))
        return moved

    def tell(self, floor: int) -> int:
        return 0 if self._waiting else super().tell(floor)


def _made(source: Item, payload: bytes, room: int) -> Item:
    if len(payload) > room:
        raise oversize(0, len(payload), room)
    return Item(payload, source.ingress, source.origin, 0, source.stamp_ns)
