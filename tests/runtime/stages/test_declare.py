"""How a stage may be declared: factories, classes, contexts, typed ones, and what is set up and torn down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kernels import KERNELS

from byteor.errors import Exit
from byteor.indexbus import SequencedSlots
from byteor.runtime.stage_loop import run_stage
from byteor.runtime.stages import Context, ResolvedStage, StageError, batch_stage, stage
from byteor.runtime.stages.api import ATTRIBUTE


def resolved(function: Callable[..., Any], parameters: str = "") -> ResolvedStage:
    definition = getattr(function, ATTRIBUTE)
    key = f"{definition.key}:{parameters}" if parameters else definition.key
    return ResolvedStage(key, parameters, definition)


class Order(msgspec.Struct):
    item: str
    count: int = 1


class Recorder:
    """A class form that notes what is called; ``fail`` names the method that raises."""

    calls: list[str]

    def __init__(self, parameters: str, context: Context) -> None:
        self.fail = parameters
        self.calls = context.calls = ["made"]  # type: ignore[attr-defined]
        context.on_teardown(lambda: self.calls.append("context"))

    def _note(self, name: str) -> None:
        self.calls.append(name)
        if self.fail == name:
            raise RuntimeError(name)

    def setup(self) -> None:
        self._note("setup")

    def __call__(self, message: bytes) -> bytes | None:
        self._note("message")
        return message

    def teardown(self) -> None:
        self._note("teardown")


stage("recorder", parameters="FAIL")(Recorder)


@pytest.mark.parametrize(
    ("fail", "calls"),
    [
        ("none", ["made", "setup", "message", "teardown", "context"]),
        ("setup", ["made", "setup", "context"]),
        ("message", ["made", "setup", "message", "teardown", "context"]),
        ("teardown", ["made", "setup", "message", "teardown", "context"]),
    ],
)
def test_what_was_set_up_is_torn_down_once_whatever_happens(fail: str, calls: list[str]) -> None:
    context = Context(key=f"recorder:{fail}")

    def run() -> None:
        with resolved(Recorder, fail).opened(context) as function:
            function(b"x")

    if fail == "none":
        run()
    else:
        with pytest.raises(RuntimeError, match=fail):
            run()
    assert context.calls == calls  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fail", "event", "error"),
    [("none", "finished", ""), ("message", "failed", "RuntimeError: message"), ("abort", "aborted", "")],
)
def test_a_ring_tears_its_stage_down_and_tells_the_first_failure(
    tmp_path: Path, fail: str, event: str, error: str
) -> None:
    context, ready = Context(key=f"recorder:{fail}"), []
    with (
        SequencedSlots.create(tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,)) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
    ):
        producer.publish(b"x")
        if fail == "abort":
            ring.abort()
        else:
            producer.close_stream()
        outcome = run_stage("s", consumer, resolved(Recorder, fail), 4, context, lambda: ready.append(1))
    assert (outcome.event, outcome.failure.error if outcome.failure else "") == (event, error)
    assert ready == [1]
    assert context.calls[0:2] + context.calls[-2:] == ["made", "setup", "teardown", "context"]  # type: ignore[attr-defined]
    assert context.calls.count("teardown") == 1  # type: ignore[attr-defined]


def test_a_teardown_that_fails_is_told_when_nothing_else_was_wrong(tmp_path: Path) -> None:
    with (
        SequencedSlots.create(tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,)) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
    ):
        producer.close_stream()
        with pytest.raises(RuntimeError, match="teardown"):
            run_stage("s", consumer, resolved(Recorder, "teardown"), 4)


@pytest.mark.parametrize("shape", [stage, batch_stage])
def test_a_list_is_refused_by_a_ring_in_words(tmp_path: Path, shape: Any) -> None:
    @shape("twice")
    def twice(given: Any) -> Any:
        return [given, given] if isinstance(given, bytes) else [[one, one] for one in given]

    with (
        SequencedSlots.create(tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,)) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
    ):
        producer.publish(b"x")
        outcome = run_stage("s", consumer, resolved(twice), 4)
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.sequence) == ("E_STAGE_FANOUT", 0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_batch_of_views_changes_the_slots_themselves(tmp_path: Path, kernel: str) -> None:
    held: list[memoryview] = []

    @batch_stage("upper_first", views=True)
    def upper_first(messages: list[memoryview]) -> None:
        held.append(messages[0])
        for view in messages:
            view[0] -= 32

    with (
        SequencedSlots.create(
            tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,), kernel=kernel
        ) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
        ring.egress() as egress,
    ):
        producer.publish_many([b"abc", b"def"])
        producer.close_stream()
        outcome = run_stage("s", consumer, resolved(upper_first), 4)
        assert (outcome.event, egress.receive_many(8, 0)) == ("finished", [b"Abc", b"Def"])
    with pytest.raises(ValueError, match="released"):
        bytes(held[0])


def test_a_type_error_of_the_stages_own_is_not_taken_for_a_list(tmp_path: Path) -> None:
    @stage
    def mine(message: bytes) -> bytes | None:
        raise TypeError("a bytes-like object is required, not 'list'")

    with (
        SequencedSlots.create(tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,)) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
    ):
        producer.publish(b"x")
        outcome = run_stage("s", consumer, resolved(mine), 4)
    assert outcome.failure is not None
    assert outcome.failure.code == "E_STAGE_RAISED"


def test_whatever_has_an_argument_called_context_gets_it() -> None:
    @stage
    def plain(message: bytes, context: Context) -> bytes | None:
        return context.name.encode()

    @stage("factory", parameters="TEXT")
    def factory(text: str, context: Context) -> Callable[[bytes], bytes | None]:
        return lambda message: f"{context.name}/{text}".encode()

    @stage("form")
    class Form:
        def __init__(self, context: Context, more: int = 3) -> None:
            self.text = f"{context.name}{more}".encode()

        def __call__(self, message: bytes) -> bytes:
            return self.text

    context = Context("worker", "factory:a")
    assert resolved(plain).make(context)(b"") == b"worker"
    assert resolved(factory).make(context)(b"") == b"worker/a"
    assert resolved(Form).make(context)(b"") == b"worker3"


def test_a_factory_whose_text_has_a_default_still_gets_the_text() -> None:
    @stage("punctuate", parameters="MARK")
    def punctuate(mark: str = "!") -> Callable[[bytes], bytes | None]:
        return lambda message: message + mark.encode()

    assert resolved(punctuate, "?").make()(b"a") == b"a?"


def test_what_needs_two_arguments_is_declared_wrongly() -> None:
    with pytest.raises(StageError, match="first and second") as caught:

        @stage
        def two(first: bytes, second: bytes) -> bytes | None:
            return first

    assert (caught.value.code, caught.value.exit) == ("E_STAGE_DEFINITION", Exit.USAGE)


def test_a_factory_that_makes_nothing_callable_is_told() -> None:
    @stage("lazy", parameters="TEXT")
    def lazy(text: str) -> None:
        return None

    with pytest.raises(StageError, match="NoneType"):
        resolved(lazy, "a").make()


def test_typed_batches_never_see_what_is_filtered_and_results_keep_their_places() -> None:
    seen: list[int] = []

    @batch_stage("big", decode=Order, on_invalid="filter")
    def big(orders: list[Order]) -> list[Any]:
        seen.append(len(orders))
        return [None if o.count < 2 else [o, o] if o.count > 5 else o for o in orders]

    run = resolved(big).make()
    out = run([b"x", b'{"item":"a","count":2}', b'{"item":"b"}', b'{"item":1}', b'{"item":"c","count":9}'])
    nine = b'{"item":"c","count":9}'
    assert out == [None, b'{"item":"a","count":2}', None, None, [nine, nine]]
    assert run([b"x"]) == [None]
    assert seen == [3]  # an empty batch is not handed over


def test_a_typed_batch_that_returns_too_few_is_an_error() -> None:
    @batch_stage("few", decode=Order)
    def few(orders: list[Order]) -> list[Any]:
        return orders[1:]

    with pytest.raises(ValueError, match="a batch of 2 messages gave 1 results"):
        resolved(few).make()([b'{"item":"a"}'] * 2)


def test_what_does_not_decode_is_named_by_its_digest_and_never_shown() -> None:
    @batch_stage("orders", decode=Order)
    def orders(values: list[Order]) -> list[Any]:
        return values

    with pytest.raises(StageError) as caught:
        resolved(orders).make()([b'{"item":"a"}', b"secret"])
    error = caught.value
    assert (error.code, error.index) == ("E_STAGE_INPUT", 1)
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    assert digest in error.message
    assert "secret" not in error.message


def test_a_typed_stage_with_state_is_set_up_and_torn_down() -> None:
    calls: list[str] = []

    @stage("kept", decode=Order)
    class Kept:
        def setup(self) -> None:
            calls.append("setup")

        def __call__(self, order: Order) -> list[Order]:
            return [order] * order.count

        def teardown(self) -> None:
            calls.append("teardown")

    with resolved(Kept).opened(Context()) as run:
        assert run(b'{"item":"a","count":2}') == [b'{"item":"a","count":2}'] * 2
    assert calls == ["setup", "teardown"]


def test_on_invalid_is_fail_or_filter() -> None:
    with pytest.raises(StageError, match="on_invalid"):
        stage("x", decode=Order, on_invalid="ignore")(lambda order: order)  # type: ignore[call-overload]


def test_each_worker_draws_numbers_of_its_own_and_the_same_again() -> None:
    def draw(name: str, seed: int) -> list[float]:
        context = Context(name, seed=seed)
        return [context.random.random() for _ in range(3)]

    assert draw("a", 1) == draw("a", 1)
    assert len({*draw("a", 1), *draw("b", 1), *draw("a", 2)}) == 9
    assert Context("a", seed=1).seed == 0x22E4A339DDFD6241  # a seed that was recorded stays what it was


def test_time_is_what_the_run_says() -> None:
    context = Context(clock=lambda index: 1_000 + index)
    assert (context.now_ns(), context.now_ns(2)) == (1_000, 1_002)


def test_waiting_ends_when_the_run_stops_and_a_replay_does_not_wait() -> None:
    looks = iter([False, True])
    Context(stopping=lambda: next(looks)).wait(3600)
    Context(live=False).wait(3600)
    assert next(looks, None) is None


def test_a_report_replaces_the_one_before_and_needs_a_folder(tmp_path: Path) -> None:
    context = Context("guard", folder=tmp_path)
    context.report({"in": 1})
    context.report({"in": 2, "out": 1})
    assert (tmp_path / "guard.report.kv").read_text() == "in=2\nout=1\n"
    Context("guard").report({"in": 1})


def test_the_bare_decorators_take_the_name_as_key() -> None:
    @stage
    def shout(message: bytes) -> bytes:
        return message.upper()

    @batch_stage
    def shout_all(messages: list[bytes]) -> list[bytes]:
        return [message.upper() for message in messages]

    assert shout(b"a") == b"A"
    assert shout_all([b"a"]) == [b"A"]
    found = [getattr(function, ATTRIBUTE) for function in (shout, shout_all)]
    assert [(one.key, one.shape) for one in found] == [("shout", "message"), ("shout_all", "batch")]


def test_a_class_whose_name_is_no_key_is_told_to_be_given_one() -> None:
    class Lookup:
        def __call__(self, message: bytes) -> bytes:
            return message

    with pytest.raises(StageError, match="give it one"):
        stage(Lookup)


def test_whatever_a_stage_raises_names_its_message(tmp_path: Path) -> None:
    @stage("gives_up")
    def gives_up(message: bytes) -> bytes:
        if message == b"b":
            raise asyncio.CancelledError
        return message

    with (
        SequencedSlots.create(tmp_path / "ring", capacity=8, slot_bytes=16, egress=(0,)) as ring,
        ring.producer() as producer,
        ring.stage(0) as consumer,
    ):
        producer.publish_many([b"a", b"b"])
        outcome = run_stage("s", consumer, resolved(gives_up), 4)
    assert outcome.failure is not None
    assert (outcome.failure.error, outcome.failure.sequence) == ("CancelledError", 1)
