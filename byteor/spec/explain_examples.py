"""For every code, a document that breaks its rule and nothing else, and a near one that does not.

An example is a small right document with a few lines changed; ``explain`` shows those lines, the tests run
both.
"""

from __future__ import annotations

import msgspec

Edits = dict[str, str | None]  # key -> new value, or None to leave the line out

RING = {
    "v": "1",
    "model": "single_ring",
    "name": "example",
    "single_ring.shards": "1",
    "single_ring.ordering": "strict",
    "single_ring.capacity": "1024",
    "single_ring.stages.0.name": "parse",
    "single_ring.stages.0.key": "json_normalise",
    "single_ring.stages.1.name": "detect",
    "single_ring.stages.1.key": "zscore",
    "single_ring.stages.1.depends_on.0": "0",
}
GRAPH = {
    "v": "1",
    "model": "lane_graph",
    "name": "example",
    "lane_graph.endpoints.0.name": "in",
    "lane_graph.endpoints.0.kind": "ingress",
    "lane_graph.endpoints.0.lane": "a",
    "lane_graph.endpoints.1.name": "out",
    "lane_graph.endpoints.1.kind": "egress",
    "lane_graph.endpoints.1.lane": "b",
    "lane_graph.lanes.0.name": "a",
    "lane_graph.lanes.0.kind": "events",
    "lane_graph.lanes.1.name": "b",
    "lane_graph.lanes.1.kind": "events",
    "lane_graph.roles.0.name": "score",
    "lane_graph.roles.0.kind": "stage",
    "lane_graph.roles.0.key": "identity",
    "lane_graph.roles.0.rx.0": "a",
    "lane_graph.roles.0.tx.0": "b",
}
FAN = GRAPH | {
    "lane_graph.lanes.0.kind": "fanout_broadcast",
    "lane_graph.lanes.0.consumers": "2",
    "lane_graph.roles.1.name": "act",
    "lane_graph.roles.1.kind": "stage",
    "lane_graph.roles.1.key": "identity",
    "lane_graph.roles.1.rx.0": "a",
}
PLAN = {
    "v": "2",
    "pipeline.name": "example",
    "pipeline.target": "SingleRing",
    "pipeline.stages.0.id": "parse",
    "pipeline.stages.0.key": "json_normalise",
    "pipeline.stages.1.id": "detect",
    "pipeline.stages.1.key": "zscore",
    "pipeline.stages.1.depends_on.0": "parse",
}
GRAPH_PLAN = {
    "v": "2",
    "pipeline.name": "example",
    "pipeline.target": "LaneGraph",
    "pipeline.boundaries.0.id": "in",
    "pipeline.boundaries.0.kind": "ingress",
    "pipeline.boundaries.1.id": "out",
    "pipeline.boundaries.1.kind": "egress",
    "pipeline.stages.0.id": "score",
    "pipeline.stages.0.key": "identity",
    "pipeline.connections.0.from": "in",
    "pipeline.connections.0.to": "score",
    "pipeline.connections.1.from": "score",
    "pipeline.connections.1.to": "out",
}


class Example(msgspec.Struct, frozen=True):
    """``bad`` and ``good`` change ``base``; ``raw`` lines follow the changed document as they are.

    ``also`` names codes that cannot be had apart from this one. ``strict`` reads the document strictly.
    """

    base: dict[str, str]
    bad: Edits
    good: Edits
    raw: str = ""
    good_raw: str = ""
    strict: bool = False
    also: tuple[str, ...] = ()
    format: str = "kv"


def text(base: dict[str, str], edits: Edits, raw: str = "") -> str:
    """``base`` with ``edits``, as KV text."""
    lines = {**base, **edits}
    return "".join(f"{key}={value}\n" for key, value in lines.items() if value is not None) + raw


_S = "single_ring.stages."
_L = "lane_graph.lanes."
_R = "lane_graph.roles."
_P = "pipeline."
_PASS: Edits = {f"{_S}0.key": "identity", f"{_S}1.key": "crc32c"}
_FIVE: Edits = {f"{_S}{i}.{k}": v for i in (2, 3, 4) for k, v in (("name", f"s{i}"), ("key", "identity"))}

EXAMPLES: dict[str, Example] = {
    "E_FORMAT": Example(RING, {}, {}, format="yaml"),  # shown as a command, see COMMANDS
    "E_ENCODING": Example(RING, {}, {}, raw="# caf\u00e9\n", good_raw="# cafe\n"),
    "E_LINE": Example(
        RING, {}, {}, raw="single_ring.slot_bytes = 256\n", good_raw="single_ring.slot_bytes=256\n"
    ),
    "E_LINE_LENGTH": Example(RING, {}, {}, raw="#" * 4097 + "\n", good_raw="#" * 4096 + "\n"),
    "E_KEY": Example(RING, {}, {"name": "x"}, raw="Name=x\n"),
    "E_DUP_KEY": Example(RING, {"name": "example"}, {"name": "again"}, raw="name=again\n"),
    "E_SYNTAX": Example(
        {},
        {},
        {},
        raw='{"v": 1,}',
        good_raw='{"v": 1, "model": "single_ring", "name": "example",\n "single_ring": {"stages": '
        '[{"name": "parse", "key": "identity"}]}}',
        format="json",
    ),
    "E_VERSION": Example(RING, {"v": "3"}, {"v": "1"}),
    "E_MODEL": Example(RING, {"model": "single_rin"}, {"model": "single_ring"}),
    "E_MISSING": Example(RING, {f"{_S}0.key": None}, {f"{_S}0.key": "identity"}),
    "E_TYPE": Example(RING, {"single_ring.capacity": "01024"}, {"single_ring.capacity": "1024"}),
    "E_VALUE": Example(GRAPH, {f"{_L}1.producers": "one"}, {f"{_L}1.producers": "single"}),
    "E_NAME": Example(RING, {"name": "Example"}, {"name": "example-2"}),
    "E_INDEX": Example(
        RING,
        {f"{_S}1.name": None, f"{_S}1.key": None, f"{_S}1.depends_on.0": None}
        | {f"{_S}2.name": "detect", f"{_S}2.key": "identity"},
        {},
    ),
    "W_UNKNOWN_KEY": Example(RING, {"single_ring.capcity": "64"}, {"single_ring.capacity": "64"}),
    "E_UNKNOWN_KEY": Example(
        RING, {"single_ring.capcity": "64"}, {"single_ring.capacity": "64"}, strict=True
    ),
    "E_FIELD": Example(GRAPH, {f"{_R}0.policy": "in_order"}, {f"{_R}0.policy": None}),
    "E_DUP_NAME": Example(RING, {f"{_S}1.name": "parse"}, {f"{_S}1.name": "parse2"}),
    "E_CAPACITY": Example(RING, {"single_ring.capacity": "1000"}, {"single_ring.capacity": "2"}),
    "E_URL": Example(
        RING,
        {f"{_S}1.key": "http_post:https://me@example.com/"},
        {f"{_S}1.key": "http_post:https://example.com/"},
    ),
    "E_EXEC_PATH": Example(RING, {f"{_S}1.key": "exec:notify"}, {f"{_S}1.key": "exec:/usr/bin/notify"}),
    "E_SHARDS": Example(
        RING,
        {"single_ring.shards": "65", "single_ring.ordering": "per_key", "single_ring.shard_key": "json:/id"},
        {"single_ring.shards": "64", "single_ring.ordering": "per_key", "single_ring.shard_key": "json:/id"},
    ),
    "E_PRODUCER": Example(RING, {"single_ring.producer": "mpmc"}, {"single_ring.producer": "single"}),
    "E_SCHEDULING": Example(
        RING, {"single_ring.scheduling": "work_queue"}, {"single_ring.scheduling": "dedicated"}
    ),
    "E_ORDERING": Example(RING, {"single_ring.ordering": "per_key"}, {"single_ring.ordering": "strict"}),
    "E_NO_STAGES": Example(
        {key: value for key, value in RING.items() if "stages" not in key},
        {f"{_S}0.name": None, f"{_S}0.key": None},
        {f"{_S}0.name": "a", f"{_S}0.key": "identity"},
    ),
    "E_TOO_MANY_STAGES": Example(
        RING,
        {**_PASS, **_FIVE},
        {**_PASS, **dict(list(_FIVE.items())[:4])},
    ),
    "E_DEP_RANGE": Example(RING, {f"{_S}0.depends_on.0": "1"}, {f"{_S}1.depends_on.0": "0"}),
    "E_DEP_ORDER": Example(
        RING,
        {f"{_S}1.depends_on.0": "0", f"{_S}1.depends_on.1": "0"},
        {f"{_S}1.depends_on.0": "0", f"{_S}1.depends_on.1": None},
    ),
    "E_DEP_MISSING": Example(
        RING,
        {f"{_S}0.key": "identity", f"{_S}1.key": "crc32c", f"{_S}1.depends_on.0": None},
        {f"{_S}0.key": "identity", f"{_S}1.key": "identity", f"{_S}1.depends_on.0": None},
    ),
    "E_SHARED_WRITE": Example(
        RING,
        {f"{_S}2.name": "mark", f"{_S}2.key": "crc32c", f"{_S}2.depends_on.0": "0"},
        {f"{_S}2.name": "mark", f"{_S}2.key": "crc32c", f"{_S}2.depends_on.0": "1"},
    ),
    "E_REF": Example(GRAPH, {f"{_R}0.tx.0": "bb"}, {f"{_R}0.tx.0": "b"}),
    "E_NO_INGRESS": Example(
        {key: value for key, value in GRAPH.items() if "endpoints.1" not in key},
        {"lane_graph.endpoints.0.kind": "egress", "lane_graph.endpoints.0.lane": "b"},
        {
            "lane_graph.endpoints.1.name": "out",
            "lane_graph.endpoints.1.kind": "egress",
            "lane_graph.endpoints.1.lane": "b",
        },
    ),
    "E_NO_EGRESS": Example(
        {key: value for key, value in FAN.items() if ".0.consumers" not in key and ".lanes.1" not in key},
        {f"{_L}0.kind": "events", "lane_graph.endpoints.1.kind": None, "lane_graph.endpoints.1.name": None}
        | {"lane_graph.endpoints.1.lane": None, f"{_R}0.tx.0": None}
        | {f"{_R}1.{name}": None for name in ("name", "kind", "key", "rx.0")},
        {f"{_L}0.consumers": "3", f"{_R}0.tx.0": None, "lane_graph.endpoints.1.lane": "a"},
    ),
    "E_LANE_WRITERS": Example(GRAPH, {f"{_L}0.producers": "multi"}, {f"{_L}0.producers": "single"}),
    "E_LANE_READERS": Example(FAN, {f"{_L}0.consumers": "3"}, {f"{_L}0.consumers": "2"}),
    "E_CYCLE": Example(
        PLAN,
        {f"{_P}stages.0.depends_on.0": "detect"},
        {f"{_P}stages.0.depends_on.0": "detect", f"{_P}stages.1.depends_on.0": None},
    ),
    "E_UNREACHABLE": Example(
        GRAPH_PLAN,
        {f"{_P}stages.1.id": "lost", f"{_P}stages.1.key": "identity"},
        {
            f"{_P}stages.1.id": "lost",
            f"{_P}stages.1.key": "identity",
            f"{_P}connections.2.from": "in",
            f"{_P}connections.2.to": "lost",
        },
    ),
    "E_CONSUMERS": Example(FAN, {f"{_L}0.consumers": "17"}, {f"{_L}0.consumers": "2"}),
    "E_ROLE_ARITY": Example(
        GRAPH,
        {f"{_R}0.kind": "merge", f"{_R}0.key": None},
        {f"{_R}0.kind": "bridge", f"{_R}0.key": None},
    ),
    "E_KIND_MISMATCH": Example(
        GRAPH,
        {f"{_L}1.kind": "journal"},
        {f"{_L}0.kind": "journal", f"{_L}1.kind": "journal"},
    ),
    "E_ON_FULL": Example(GRAPH, {"lane_graph.on_full": "wait"}, {"lane_graph.on_full": "drop"}),
    "E_TARGET": Example(PLAN, {f"{_P}on_full": "Drop"}, {f"{_P}on_full": None}),
    "E_PAYLOAD": Example(
        PLAN,
        {f"{_P}target": "LaneGraph"},
        {},
    ),
    "E_UNKNOWN_REF": Example(
        PLAN, {f"{_P}stages.1.depends_on.0": "pars"}, {f"{_P}stages.1.depends_on.0": "parse"}
    ),
    "E_DUPLICATE": Example(
        PLAN,
        {f"{_P}stages.1.id": "parse", f"{_P}stages.1.key": "identity", f"{_P}stages.1.depends_on.0": None},
        {f"{_P}stages.1.id": "parse2"},
    ),
    "E_SELF_DEPENDENCY": Example(
        PLAN, {f"{_P}stages.1.depends_on.0": "detect"}, {f"{_P}stages.1.depends_on.0": "parse"}
    ),
    "E_INTENT": Example(
        GRAPH_PLAN, {f"{_P}connections.0.intent": "Event"}, {f"{_P}connections.0.intent": "Journal"}
    ),
    "E_BOUNDARY": Example(
        GRAPH_PLAN,
        {f"{_P}boundaries.2.id": "spare", f"{_P}boundaries.2.kind": "egress"},
        {
            f"{_P}boundaries.2.id": "spare",
            f"{_P}boundaries.2.kind": "egress",
            f"{_P}connections.2.from": "score",
            f"{_P}connections.2.to": "spare",
        },
    ),
}

# What is wrong with a file, not with its text: a command line that brings it about, and one that does not.
COMMANDS: dict[str, tuple[str, str]] = {
    "E_NOT_FOUND": ("byteor hash nowhere.spec.kv", "byteor hash demo.spec.kv"),
    "E_FILE": ("byteor hash .", "byteor hash demo.spec.kv"),
    "E_FILE_SIZE": (
        "truncate -s 17M big.spec.kv; byteor hash big.spec.kv",
        "byteor hash demo.spec.kv",
    ),
    "E_CHANGED": (
        "while true; do date >> demo.spec.kv; done & byteor hash demo.spec.kv",
        "cp demo.spec.kv new.kv; byteor hash new.kv",
    ),
    "E_FORMAT": (
        "cp demo.spec.kv demo.spec.yaml; byteor hash demo.spec.yaml",
        "cp demo.spec.kv copy.spec.kv; byteor hash copy.spec.kv",
    ),
    "E_TOO_MANY_FINDINGS": (
        "seq 1100 > lines.spec.kv; byteor validate lines.spec.kv",
        "seq 900 > lines.spec.kv; byteor validate lines.spec.kv",
    ),
}
