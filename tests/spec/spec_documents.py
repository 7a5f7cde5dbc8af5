"""Random documents from a seed: values whose form is right, and plans that are right altogether."""

from __future__ import annotations

import random
from typing import Any

from byteor.spec.fields import INTENTS, LANE_KINDS, MERGE_POLICIES, ROLE_KINDS, ROUTER_MODES
from byteor.spec.model import (
    Endpoint,
    Lane,
    LaneGraph,
    PipelinePlanV2,
    PlanBoundary,
    PlanConnection,
    PlanConstraints,
    PlanPolicy,
    PlanStage,
    RingStage,
    Role,
    SingleRing,
)

_FIRST = "abcdefghijklmnopqrstuvwxyz"
_REST = _FIRST + "0123456789_-"
_TEXT = "".join(map(chr, range(0x21, 0x7F)))
_KEYS = (
    "identity",
    "crc32c",
    "zscore:60,3.5",
    'json_append:"a":"b=c"',
    "http_post:http://h:1/x?a=b#c",
    "exec:/bin/x|-y",
)


def name(r: random.Random, most: int = 63) -> str:
    return r.choice(_FIRST) + "".join(r.choices(_REST, k=r.choice((0, 1, 5, r.randrange(most)))))


def stage_key(r: random.Random) -> str:
    if r.random() < 0.7:
        return r.choice(_KEYS)
    body = "".join(r.choices(_TEXT + " ", k=r.randrange(1, 40))).strip()
    return f"{name(r).replace('-', '_')}:{body or '.'}"


def integer(r: random.Random) -> int:
    return r.choice((0, 1, 2, 64, 1024, 1 << 20, (1 << 63) - 1, r.getrandbits(r.randrange(1, 63))))


def shard_key(r: random.Random) -> str | None:
    return r.choice((None, f"bytes:{r.randrange(999)}:{r.randrange(1, 99)}", "json:/a/b~1c~0d", "json:/"))


def ring(r: random.Random) -> SingleRing:
    """A ring whose form is right; its rules may be broken."""
    stages = tuple(
        RingStage(name(r), stage_key(r), tuple(integer(r) for _ in range(r.randrange(4))))
        for _ in range(r.randrange(6))
    )
    return SingleRing(
        name(r), stages, integer(r), r.choice(("strict", "per_key")), r.choice(("single", "mpmc")),
        r.choice(("dedicated", "work_queue")), shard_key(r), integer(r), integer(r),
    )  # fmt: skip


def graph(r: random.Random) -> LaneGraph:
    """A lane graph whose form is right; its rules may be broken."""
    pool = [name(r) for _ in range(6)]
    endpoints = tuple(
        Endpoint(name(r), r.choice(("ingress", "egress")), r.choice(pool)) for _ in range(r.randrange(4))
    )
    return LaneGraph(
        name(r),
        endpoints,
        tuple(_lane(r, r.choice(pool)) for _ in range(r.randrange(7))),
        tuple(_role(r, pool) for _ in range(r.randrange(6))),
        r.choice(("block", "drop")),
    )


def _lane(r: random.Random, lane_name: str) -> Lane:
    kind = r.choice(LANE_KINDS)
    producers = r.choice(("single", "multi")) if kind == "events" else None
    return Lane(
        lane_name, kind, producers, integer(r), integer(r), integer(r) if kind == "fanout_broadcast" else None
    )


def _role(r: random.Random, pool: list[str]) -> Role:
    kind = r.choice(ROLE_KINDS)
    return Role(
        name(r),
        kind,
        stage_key(r) if kind == "stage" else None,
        r.choice(ROUTER_MODES) if kind == "router" else None,
        r.choice(MERGE_POLICIES) if kind == "merge" else None,
        tuple(r.choice(pool) for _ in range(r.randrange(4))),
        tuple(r.choice(pool) for _ in range(r.randrange(4))),
    )


def plan(r: random.Random) -> PipelinePlanV2:
    """A plan whose form is right; its rules may be broken."""
    pool = [name(r, 23) for _ in range(6)]
    target = r.choice(("SingleRing", "LaneGraph"))
    words: dict[str, Any] = {
        "shards": integer(r),
        "ordering": r.choice(("Strict", "PerKey")),
        "producer": r.choice(("Single", "Mpmc")),
        "scheduling": r.choice(("Dedicated", "WorkQueue")),
    }
    if target == "LaneGraph":
        words = {word: value for word, value in words.items() if r.random() < 0.3}
    on_full = r.choice(("Block", "Drop"))
    return PipelinePlanV2(
        name(r),
        target,
        r.choice((None, "what it is = for # people")),
        tuple(PlanBoundary(r.choice(pool), r.choice(("ingress", "egress"))) for _ in range(r.randrange(4))),
        tuple(
            PlanStage(r.choice(pool), stage_key(r), tuple(r.choice(pool) for _ in range(r.randrange(3))))
            for _ in range(r.randrange(5))
        ),
        PlanConstraints(**words, shard_key=shard_key(r), capacity=integer(r), slot_bytes=integer(r)),
        tuple(
            PlanConnection(r.choice(pool), r.choice(pool), r.choice(list(INTENTS)))
            for _ in range(r.randrange(6))
        ),
        tuple(
            PlanPolicy(r.choice(pool), r.choice(ROUTER_MODES + MERGE_POLICIES)) for _ in range(r.randrange(3))
        ),
        on_full if target == "LaneGraph" else r.choice((None, on_full)),
    )


def right_plan(r: random.Random, stages: int | None = None) -> PipelinePlanV2:
    """A LaneGraph plan that breaks no rule: an acyclic graph in which every stage is reached, with random
    intents, fans, merges and policies."""
    count = r.randrange(1, 9) if stages is None else stages
    boundaries = [PlanBoundary(f"in{n}", "ingress") for n in range(r.randrange(1, 4))]
    ends = [PlanBoundary(f"out{n}", "egress") for n in range(r.randrange(1, 3))]
    sources = [boundary.id for boundary in boundaries]
    ways_out: dict[str, int] = {}
    pairs: dict[tuple[str, str], None] = {}

    def connect(start: str, end: str) -> None:
        if ways_out.get(start, 0) < 16 and (start, end) not in pairs:
            pairs[start, end] = None
            ways_out[start] = ways_out.get(start, 0) + 1

    for number in range(count):
        for start in r.sample(sources[-12:], min(len(sources[-12:]), r.choice((1, 1, 1, 2, 3)))):
            connect(start, f"s{number}")
        if not any(end == f"s{number}" for _, end in list(pairs)[-3:]):
            connect(sources[-1], f"s{number}")
        sources.append(f"s{number}")
    for boundary in boundaries:
        if boundary.id not in ways_out:
            connect(boundary.id, "s0")
    for end in ends:
        connect(sources[-1], end.id)
        connect(r.choice(sources[-8:]), end.id)
    connections = [PlanConnection(a, b, r.choice((*INTENTS, "Events", "Events"))) for a, b in pairs]
    r.shuffle(connections)
    routed = [place for place, ways in ways_out.items() if ways > 1]
    policies = tuple(PlanPolicy(place, "broadcast") for place in routed if r.random() < 0.3)
    return PipelinePlanV2(
        "right", "LaneGraph", None, (*boundaries, *ends),
        tuple(PlanStage(f"s{n}", r.choice(_KEYS)) for n in range(count)),
        PlanConstraints(capacity=64), tuple(connections), policies, r.choice(("Block", "Drop")),
    )  # fmt: skip


def right_ring_plan(r: random.Random) -> PipelinePlanV2:
    """A SingleRing plan that breaks no rule, its stages in any order."""
    names = ["a", "b", "c", "d"][: r.randrange(1, 5)]
    stages = [
        PlanStage(
            n,
            r.choice(("identity", "crc32c", "sample:2")),
            tuple(r.sample(names[:i], r.randrange(1, i + 1))) if i else (),
        )
        for i, n in enumerate(names)
    ]
    r.shuffle(stages)
    sharded = r.random() < 0.3
    constraints = PlanConstraints(
        4 if sharded else 1,
        "PerKey" if sharded else "Strict",
        "Single",
        "Dedicated",
        "json:/k" if sharded else None,
    )
    return PipelinePlanV2("ring", "SingleRing", None, (), tuple(stages), constraints)
