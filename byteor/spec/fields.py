"""Every key of every document, in canonical order: one table that reader, writer, JSON Schema and grammar
share.

A section is a key prefix with its fields; a section with ``many`` is a list (``prefix.N.field``), and a
field with ``many`` is a list inside it (``prefix.N.field.K``).
"""

from __future__ import annotations

import msgspec

POWER_OF_TWO_MAX = 1 << 20
INT_MAX = (1 << 63) - 1
ID_LENGTH = 24


class Field(msgspec.Struct, frozen=True):
    """One key.

    ``type`` is int, name, id (a short name in a plan), stage_key, shard_key, text or enum (then
    ``choices``). ``default`` None with ``required`` False means optional. ``on`` lists the values of the
    row's ``kind`` that carry the field (empty: all). ``code`` is reported for a value outside ``choices``.
    """

    name: str
    type: str
    doc: str
    required: bool = True
    default: int | str | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    on: tuple[str, ...] = ()
    code: str = "E_VALUE"


class Section(msgspec.Struct, frozen=True):
    """``attribute`` is the field of the model that holds the list (empty for scalars)."""

    prefix: str
    fields: tuple[Field, ...]
    many: bool = False
    attribute: str = ""


def _enum(name: str, doc: str, *choices: str, default: str | None = None, code: str = "E_VALUE") -> Field:
    return Field(name, "enum", doc, required=default is None, default=default, choices=choices, code=code)


def _only(field: Field, *kinds: str) -> Field:
    return msgspec.structs.replace(field, on=kinds)


_CAPACITY = Field("capacity", "int", "slots, a power of two from 2 to 1,048,576", False, 1024)
_SLOT_BYTES = Field("slot_bytes", "int", "payload bytes a slot holds, 8 to 1,048,576", False, 256)
_SHARD_KEY = Field("shard_key", "shard_key", "bytes:OFF:LEN or json:POINTER; only with shards > 1", False)
_V = Field("v", "int", "version of the format: 1 in a spec, 2 in a plan")
_NAME = Field("name", "name", "name of the pipeline")
_HEADER = (_V, _enum("model", "execution model", "single_ring", "lane_graph", code="E_MODEL"), _NAME)

LANE_KINDS = ("events", "journal", "sequenced_slots", "fanout_broadcast")
ROLE_KINDS = ("stage", "bridge", "router", "merge")
ROUTER_MODES = ("broadcast", "work_queue")
MERGE_POLICIES = ("round_robin", "in_order")
INTENTS = {
    "Events": "events",
    "Journal": "journal",
    "SequencedSlots": "sequenced_slots",
    "FanoutBroadcast": "fanout_broadcast",
}

SINGLE_RING = (
    Section("", _HEADER),
    Section(
        "single_ring",
        (
            Field("shards", "int", "rings that share the load by key, 1 to 64", False, 1),
            _enum(
                "ordering", "what stays in order", "strict", "per_key", default="strict", code="E_ORDERING"
            ),
            _enum(
                "producer", "single (mpmc is refused)", "single", "mpmc", default="single", code="E_PRODUCER"
            ),
            _enum(
                "scheduling",
                "dedicated (work_queue is refused)",
                "dedicated",
                "work_queue",
                default="dedicated",
                code="E_SCHEDULING",
            ),
            _SHARD_KEY,
            _CAPACITY,
            _SLOT_BYTES,
        ),
    ),
    Section(
        "single_ring.stages",
        (
            Field("name", "name", "name of the stage"),
            Field("key", "stage_key", "identity or any resolver key"),
            Field("depends_on", "int", "indexes of earlier stages, increasing", False, many=True),
        ),
        many=True,
        attribute="stages",
    ),
)

LANE_GRAPH = (
    Section("", _HEADER),
    Section(
        "lane_graph",
        (_enum("on_full", "what a full lane means", "block", "drop", default="block", code="E_ON_FULL"),),
    ),
    Section(
        "lane_graph.endpoints",
        (
            Field("name", "name", "name of the endpoint"),
            _enum("kind", "whether messages enter or leave", "ingress", "egress"),
            Field("lane", "name", "lane that it writes (ingress) or reads (egress)"),
        ),
        many=True,
        attribute="endpoints",
    ),
    Section(
        "lane_graph.lanes",
        (
            Field("name", "name", "name of the lane"),
            _enum("kind", "kind of the lane", *LANE_KINDS),
            _only(_enum("producers", "writers", "single", "multi", default="single"), "events"),
            _CAPACITY,
            _SLOT_BYTES,
            Field("consumers", "int", "readers of a broadcast, 1 to 16", on=("fanout_broadcast",)),
        ),
        many=True,
        attribute="lanes",
    ),
    Section(
        "lane_graph.roles",
        (
            Field("name", "name", "name of the role"),
            _enum("kind", "kind of the role", *ROLE_KINDS),
            Field("key", "stage_key", "identity or any resolver key", on=("stage",)),
            _only(_enum("mode", "how a router shares out", *ROUTER_MODES, default="broadcast"), "router"),
            _only(
                _enum("policy", "how a merge takes turns", *MERGE_POLICIES, default="round_robin"), "merge"
            ),
            Field("rx", "name", "lanes that it reads", False, many=True),
            Field("tx", "name", "lanes that it writes", False, many=True),
        ),
        many=True,
        attribute="roles",
    ),
)

PLAN = (
    Section("", (_V,)),
    Section(
        "pipeline",
        (
            _NAME,
            Field("description", "text", "free text", False),
            _enum("target", "execution model to lower to", "SingleRing", "LaneGraph", code="E_TARGET"),
        ),
    ),
    Section(
        "pipeline.boundaries",
        (
            Field("id", "id", "id of the boundary"),
            _enum("kind", "whether messages enter or leave", "ingress", "egress"),
        ),
        many=True,
        attribute="boundaries",
    ),
    Section(
        "pipeline.stages",
        (
            Field("id", "id", "id of the stage"),
            Field("key", "stage_key", "identity or any resolver key"),
            Field("depends_on", "id", "ids of stages (SingleRing)", False, many=True),
        ),
        many=True,
        attribute="stages",
    ),
    Section(
        "pipeline.constraints",
        (
            Field("shards", "int", "rings that share the load by key, 1 to 64 (SingleRing)", False),
            Field(
                "ordering",
                "enum",
                "what stays in order (SingleRing)",
                False,
                None,
                ("Strict", "PerKey"),
                code="E_ORDERING",
            ),
            Field(
                "producer",
                "enum",
                "Single (Mpmc is refused; SingleRing)",
                False,
                None,
                ("Single", "Mpmc"),
                code="E_PRODUCER",
            ),
            Field(
                "scheduling",
                "enum",
                "Dedicated (WorkQueue is refused; SingleRing)",
                False,
                None,
                ("Dedicated", "WorkQueue"),
                code="E_SCHEDULING",
            ),
            _SHARD_KEY,
            _CAPACITY,
            _SLOT_BYTES,
        ),
        attribute="constraints",
    ),
    Section(
        "pipeline.connections",
        (
            Field("from", "id", "boundary or stage that is left (LaneGraph)"),
            Field("to", "id", "stage or boundary that is entered (LaneGraph)"),
            _enum("intent", "kind of lane", *INTENTS, default="Events", code="E_INTENT"),
        ),
        many=True,
        attribute="connections",
    ),
    Section(
        "pipeline.boundary_policy",
        (
            Field("boundary", "id", "boundary or stage whose router or merge is meant (LaneGraph)"),
            _enum(
                "mode",
                "how it shares out or takes turns",
                *ROUTER_MODES,
                *MERGE_POLICIES,
                default="broadcast",
            ),
        ),
        many=True,
        attribute="boundary_policy",
    ),
    Section(
        "pipeline",
        (
            Field(
                "on_full",
                "enum",
                "what a full lane means (LaneGraph)",
                False,
                None,
                ("Block", "Drop"),
                code="E_ON_FULL",
            ),
        ),
    ),
)

# What an absent constraint means once the target is SingleRing, and an absent on_full once it is LaneGraph.
RING_DEFAULTS: dict[str, int | str] = {
    "shards": 1,
    "ordering": "Strict",
    "producer": "Single",
    "scheduling": "Dedicated",
}
GRAPH_ON_FULL = "Block"

DOCUMENTS = {"single_ring": SINGLE_RING, "lane_graph": LANE_GRAPH, "plan": PLAN}


def key_patterns() -> dict[str, tuple[Section, Field]]:
    """``prefix.N.field`` with every index written ``N`` -> its section and field, over all documents."""
    table: dict[str, tuple[Section, Field]] = {}
    for sections in DOCUMENTS.values():
        for section in sections:
            prefix = section.prefix + (".N" if section.many else "")
            for field in section.fields:
                pattern = f"{prefix}.{field.name}".lstrip(".") + (".N" if field.many else "")
                table[pattern] = (section, field)
    return table


KEYS = key_patterns()
