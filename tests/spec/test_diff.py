"""Differences by structure: renames told from remove plus add, wiring from settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byteor.spec import ValidatedSpec, load, read_document
from byteor.spec.build import lane_graph, single_ring
from byteor.spec.compatibility import compatibility
from byteor.spec.diff import diff
from byteor.spec.renames import moved
from byteor.spec.validate import check_document


def ring(*stages: tuple[str, str], **options: Any) -> ValidatedSpec:
    built = single_ring("r", **options)
    for name, key in stages:
        built = built.stage(name, key)
    return built.build()


def changes(a: ValidatedSpec, b: ValidatedSpec) -> list[tuple[str, str]]:
    return [(change.op, change.path) for change in diff(a, b).changes]


BASE = ring(("parse", "json_normalise"), ("detect", "zscore"), ("sum", "crc32c"))


def test_a_spec_does_not_differ_from_itself() -> None:
    found = diff(BASE, BASE)
    assert (found.same, found.changes, found.gained, found.lost) == (True, (), (), ())


def test_a_key_and_a_limit_are_changes() -> None:
    other = ring(("parse", "json_normalise"), ("detect", "zscore:60"), ("sum", "crc32c"), capacity=64)
    found = diff(BASE, other)
    assert [(c.op, c.path, c.a, c.b) for c in found.changes] == [
        ("changed", "capacity", 1024, 64),
        ("changed", "stages.detect.key", "zscore", "zscore:60"),
    ]


def test_a_rename_is_a_rename_and_what_depends_on_it_is_not_rewired() -> None:
    other = ring(("parse", "json_normalise"), ("judge", "zscore"), ("sum", "crc32c"))
    assert changes(BASE, other) == [("renamed", "stages.judge")]


def test_remove_plus_add_is_no_rename_when_the_key_differs() -> None:
    other = ring(("parse", "json_normalise"), ("judge", "threshold:a,1,2"), ("sum", "crc32c"))
    assert set(changes(BASE, other)) == {
        ("removed", "stages.detect"),
        ("added", "stages.judge"),
        ("rewired", "stages.sum.depends_on"),
    }


def test_two_alike_that_could_both_be_meant_are_not_called_renamed() -> None:
    fork = single_ring("r").stage("a", "identity")
    one = fork.stage("b", "crc32c").stage("c", "crc32c", after=["a"]).build()
    two = fork.stage("x", "crc32c").stage("y", "crc32c", after=["a"]).build()
    assert {op for op, _ in changes(one, two)} == {"added", "removed"}


def test_what_is_alike_is_told_apart_by_what_it_is_wired_to() -> None:
    """The two ``identity`` stages are alike until it is known which stages they follow."""

    def made(u: str, v: str, x: str, y: str) -> ValidatedSpec:
        built = single_ring("r").stage(u, "crc32c").stage(v, "sample:2", after=[u])
        return built.stage(x, "identity", after=[u]).stage(y, "identity", after=[v]).build()

    found = changes(made("u", "v", "x", "y"), made("uu", "vv", "xx", "yy"))
    assert found == [("renamed", f"stages.{name}") for name in ("uu", "vv", "xx", "yy")]


def test_wiring_is_told_apart_from_settings() -> None:
    made = single_ring("r").stage("a").stage("b").stage("c", "crc32c", after=["b"]).build()
    other = single_ring("r").stage("a").stage("b").stage("c", "crc32c", after=["a"]).build()
    assert changes(made, other) == [("rewired", "stages.c.depends_on")]


def test_a_moved_stage_is_told() -> None:
    one = single_ring("r").stage("a").stage("b", after=[]).stage("c", after=[]).build()
    two = single_ring("r").stage("b", after=[]).stage("c", after=[]).stage("a", after=[]).build()
    assert changes(one, two) == [("changed", "stages.a.position")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("abc", "abc", ""), ("abcd", "bcda", "a"), ("abcd", "dabc", "d"), ("ab", "ba", None), ("", "", "")],
)
def test_as_few_as_possible_are_called_moved(old: str, new: str, expected: str | None) -> None:
    found = moved(list(old), list(new))
    assert len(found) == 1 if expected is None else found == list(expected)


def test_a_stage_renamed_in_a_plan_renames_its_lanes_too(specs: Path) -> None:
    text = (specs / "order-gateway.plan.kv").read_bytes()
    renamed = check_document(read_document(text.replace(b"=risk", b"=limit"))).required()
    found = changes(load(specs / "order-gateway.plan.kv"), renamed)
    assert {op for op, _ in found} == {"renamed"}
    assert ("renamed", "stages.limit") in found and ("renamed", "lanes.lane-orders-limit") in found


def test_a_plan_compares_with_what_it_lowers_to(specs: Path) -> None:
    plan = load(specs / "ab-shadow.plan.kv")
    spec = check_document(read_document(plan.canonical)).required()
    assert diff(plan, spec).same


def test_capabilities_gained_and_lost(specs: Path) -> None:
    old = load(specs / "alerting.plan.kv")
    text = (
        (specs / "alerting.plan.kv")
        .read_bytes()
        .replace(b"http://127.0.0.1:8099", b"https://hooks.example:443")
    )
    new = check_document(read_document(text)).required()
    found = diff(old, new)
    assert (found.gained, found.lost) == (
        ("http_post:https://hooks.example",),
        ("http_post:http://127.0.0.1:8099",),
    )


def test_models_compare_by_their_stages(specs: Path) -> None:
    graph = lane_graph("r").lane("a").lane("b").ingress("in", "a").egress("out", "b")
    found = changes(
        single_ring("r").stage("s", "crc32c").build(), graph.stage("s", "crc32c", rx="a", tx="b").build()
    )
    assert ("changed", "model") in found
    assert ("added", "lanes.a") in found
    assert not any(path == "stages.s" for _, path in found)


def test_the_same_spec_goes_in_live_and_another_only_after_draining() -> None:
    assert compatibility(BASE, BASE).replace == "live"
    other = compatibility(BASE, ring(("parse", "json_normalise"), slot_bytes=64))
    assert (other.replace, other.needs_approval, other.voids_approvals) == ("drained", False, False)
    assert any("slots shrink from 256 to 64" in reason for reason in other.reasons)
    grown = compatibility(BASE, ring(("parse", "json_normalise")))
    assert not any("shrink" in reason for reason in grown.reasons)


def test_a_spec_that_acts_needs_an_approval_of_its_own(specs: Path) -> None:
    old = load(specs / "alerting.plan.kv")
    text = (specs / "alerting.plan.kv").read_bytes().replace(b"load.1m,0,8", b"load.1m,0,9")
    found = compatibility(old, check_document(read_document(text)).required())
    assert (found.replace, found.needs_approval, found.voids_approvals) == ("drained", True, True)


def test_only_the_old_spec_s_side_effects_have_approvals_to_void(specs: Path) -> None:
    acting = load(specs / "alerting.plan.kv")
    lost, gained = compatibility(acting, BASE), compatibility(BASE, acting)
    assert (lost.needs_approval, lost.voids_approvals) == (False, True)
    assert (gained.needs_approval, gained.voids_approvals) == (True, False)


def test_an_end_that_is_gone_has_no_successor(specs: Path) -> None:
    old, new = load(specs / "sensor-fusion.plan.kv"), load(specs / "ab-shadow.plan.kv")
    found = compatibility(old, new)
    assert found.replace == "no"
    assert found.reasons[0] == "ingress `left` is gone: what is bound to it has no place"
