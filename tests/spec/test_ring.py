"""The rules of a ring, where the examples of the codes leave something open."""

from __future__ import annotations

import pickle

import pytest

from byteor.spec import SpecError, ValidatedSpec, check_document, load, read_document, validate_spec
from byteor.spec.build import RingBuilder, single_ring
from byteor.spec.explain_examples import RING, Edits, text
from byteor.spec.model import RingStage, SingleRing

S = "single_ring.stages."


def codes(edits: Edits) -> list[str]:
    report = check_document(read_document(text(RING, edits).encode()))
    return [finding.code for finding in report.plan_diagnostics]


def ring(*stages: tuple[str, tuple[int, ...]]) -> set[str]:
    """Codes of a ring of (key, dependencies)."""
    made = tuple(RingStage(f"s{index}", key, needs) for index, (key, needs) in enumerate(stages))
    try:
        validate_spec(SingleRing("r", made))
    except SpecError as error:
        return {finding.code for finding in error.findings}
    return set()


WRITE, READ = "zscore", "crc32c"


@pytest.mark.parametrize(
    ("stages", "wrong"),
    [
        # a chain: everybody may write
        (((WRITE, ()), (WRITE, (0,)), (WRITE, (1,))), False),
        # a diamond: only the ends may
        (((WRITE, ()), (READ, (0,)), (READ, (0,)), (WRITE, (1, 2))), False),
        (((READ, ()), (WRITE, (0,)), (READ, (0,)), (READ, (1, 2))), True),
        # the last of a fork writes while its sibling reads
        (((READ, ()), (READ, (0,)), (WRITE, (0,))), True),
        # a later stage that does not depend on the writer
        (((WRITE, ()), ("identity", ()), (READ, (1,))), True),
        # an unknown key is not known to write
        (((READ, ()), ("mystery", (0,)), (READ, (0,))), False),
        # indirect dependence is enough
        (((WRITE, ()), (READ, (0,)), (READ, (1,)), (WRITE, (2,))), False),
    ],
)
def test_a_writer_overlaps_with_nobody(stages: tuple[tuple[str, tuple[int, ...]], ...], wrong: bool) -> None:
    assert ring(*stages) == ({"E_SHARED_WRITE"} if wrong else set())


@pytest.mark.parametrize(
    ("edits", "code"),
    [
        ({"single_ring.shards": "4"}, "E_ORDERING"),
        ({"single_ring.shards": "4", "single_ring.ordering": "per_key"}, "E_ORDERING"),
        ({"single_ring.shards": "4", "single_ring.shard_key": "json:/a"}, "E_ORDERING"),
        ({"single_ring.shard_key": "json:/a"}, "E_ORDERING"),
        ({"single_ring.shards": "0"}, "E_SHARDS"),
        ({"single_ring.shard_key": "json:a"}, "E_VALUE"),
        ({"single_ring.shard_key": "bytes:0:0"}, "E_VALUE"),
        ({"single_ring.shard_key": "bytes:00:4"}, "E_VALUE"),
        ({"single_ring.shard_key": "json:/a~2"}, "E_VALUE"),
        (
            {
                "single_ring.shards": "2",
                "single_ring.ordering": "per_key",
                "single_ring.shard_key": "bytes:250:7",
            },
            "E_CAPACITY",
        ),
        ({"single_ring.producer": "many"}, "E_PRODUCER"),
        ({"single_ring.capacity": "1048576", "single_ring.slot_bytes": "1048576"}, "E_CAPACITY"),
    ],
)
def test_one_wrong_setting_is_one_code(edits: Edits, code: str) -> None:
    assert set(codes(edits)) == {code}


@pytest.mark.parametrize("key", ["bytes:0:1", "bytes:252:4", "json:/a", "json:/a~1b~0c/0", "json:/"])
def test_shard_keys_at_the_edge_are_right(key: str) -> None:
    edits: Edits = {
        "single_ring.shards": "64",
        "single_ring.ordering": "per_key",
        "single_ring.shard_key": key,
    }
    assert codes(edits) == []


def test_only_the_validator_makes_a_validated_spec() -> None:
    valid = single_ring("r").stage("a").build()
    with pytest.raises(TypeError):
        ValidatedSpec(object(), valid.spec, valid.canonical, valid.spec_hash, ())
    with pytest.raises(AttributeError):
        valid.spec_hash = "sha256:0"
    with pytest.raises(TypeError):
        pickle.dumps(valid)


def test_a_builder_gives_what_the_file_gives(data: object) -> None:
    from pathlib import Path

    assert isinstance(data, Path)
    built = (
        single_ring("telemetry")
        .stage("parse")
        .stage("detect", "zscore")
        .stage("annotate", after=["parse", "detect"])
        .build()
    )
    assert built == load(data / "telemetry.spec.kv")
    orders = single_ring("orders", capacity=4096, slot_bytes=512, shards=4, shard_key="json:/account")
    assert orders.stage("risk", "risk_limit").stage("book", "order_book").build() == load(
        data / "orders.spec.kv"
    )


def test_a_builder_refuses_what_is_not_there_and_is_a_value() -> None:
    one = single_ring("r").stage("parse")
    with pytest.raises(ValueError, match="did you mean `parse`"):
        one.stage("b", after=["pars"])
    assert isinstance(one, RingBuilder) and len(one.ring.stages) == 1
    one.stage("b")
    assert len(one.ring.stages) == 1


def test_an_error_carries_all_findings_and_the_first_one_s_place() -> None:
    with pytest.raises(SpecError) as caught:
        check_document(
            read_document(text(RING, {"name": "X", "single_ring.capacity": "3"}).encode())
        ).required()
    error = caught.value
    assert (error.code, error.exit, len(error.findings)) == ("E_NAME", 3, 2)
    assert error.where is not None and (error.where.line, error.where.column, error.where.key) == (
        3,
        6,
        "name",
    )
    assert error.message.endswith("(and 1 more)")


def test_a_dependency_that_was_already_told_of_is_still_not_followed() -> None:
    """Found by the fuzzer: the key stood twice, so its range was not told, and then taken for sound."""
    data = text(RING, {"single_ring.stages.0.depends_on.0": "1"}, "single_ring.stages.0.depends_on.0=1\n")
    assert codes_of(data) == ["E_DUP_KEY"]


def test_a_warning_on_a_key_never_hides_a_rule() -> None:
    """Found by the fuzzer: an unknown key of the same name kept a broken rule from being told."""
    edits: Edits = {"single_ring.stages.1.depends_on.0": None, "single_ring.stages.1.depends_on": "0"}
    assert codes_of(text(RING, edits)) == ["W_UNKNOWN_KEY", "E_DEP_MISSING"]


def codes_of(data: str) -> list[str]:
    return [finding.code for finding in check_document(read_document(data.encode())).plan_diagnostics]
