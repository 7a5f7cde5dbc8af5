"""Every code that the spec layer reports: family, rule, and what to do. One row each; docs and
``explain`` read it."""

from __future__ import annotations

import msgspec


class Code(msgspec.Struct, frozen=True):
    """``category`` groups rules, ``rule`` is the rule that holds in a right document, ``hint`` the usual
    way out."""

    code: str
    category: str
    rule: str
    hint: str = ""


_ROWS = (
    # files
    Code("E_NOT_FOUND", "parse", "the file exists", "check the path"),
    Code("E_FILE", "parse", "a document is a regular, readable file", "give the path of a file"),
    Code("E_FILE_SIZE", "parse", "a file is at most 16 MiB long", "split the pipeline"),
    Code("E_CHANGED", "parse", "a file does not change while it is read", "save it atomically and try again"),
    Code(
        "E_FORMAT",
        "parse",
        "a document's name ends in .kv, .json or .toml",
        "rename the file; there is no YAML reader",
    ),
    # lines
    Code("E_ENCODING", "parse", "a document is ASCII text", "save it as ASCII; put other text elsewhere"),
    Code("E_LINE", "parse", "a line is key=value, a comment that starts with #, or blank", "write key=value"),
    Code("E_LINE_LENGTH", "parse", "a line is at most 4,096 bytes long", "shorten the value"),
    Code(
        "E_KEY",
        "parse",
        "a key is segments joined by dots: [a-z][a-z0-9_]* or an index without leading zeros",
        "write segments of a-z 0-9 _ joined by dots",
    ),
    Code("E_DUP_KEY", "parse", "a key stands once in a document", "remove one of the two"),
    Code("E_SYNTAX", "parse", "a .json or .toml file is well-formed", "mend the syntax at that place"),
    Code("E_TOO_MANY_FINDINGS", "parse", "a report holds at most 1,000 findings", "mend these first"),
    # structure
    Code("E_VERSION", "structure", "v is 1 in a spec and 2 in a plan", "write v=1 (spec) or v=2 (plan)"),
    Code(
        "E_MODEL",
        "structure",
        "model is single_ring or lane_graph",
        "write model=single_ring or model=lane_graph",
    ),
    Code("E_MISSING", "structure", "required keys are present", "add the key"),
    Code("E_TYPE", "structure", "a value has the type of its key", "see `byteor schema` for the types"),
    Code(
        "E_VALUE",
        "structure",
        "a value is one of those that its key allows",
        "see `byteor schema` for the values",
    ),
    Code(
        "E_NAME",
        "structure",
        "a name is [a-z][a-z0-9_-]{0,62}; an id in a plan has at most 24 characters",
        "use a-z 0-9 _ - and begin with a letter",
    ),
    Code(
        "E_INDEX",
        "structure",
        "list items are numbered 0, 1, 2, ... without a hole",
        "number the items 0, 1, 2, ... without a hole",
    ),
    Code(
        "W_UNKNOWN_KEY",
        "structure",
        "every key is known (a warning; it does not enter the canonical form)",
        "remove it; `byteor schema` lists the keys",
    ),
    Code(
        "E_UNKNOWN_KEY",
        "structure",
        "every key is known, where a document is read strictly",
        "remove it; `byteor schema` lists the keys",
    ),
    Code(
        "E_FIELD", "structure", "a key is used only on the model or kind that it belongs to", "remove the key"
    ),
    # both models
    Code("E_DUP_NAME", "Duplicate", "names are unique within their list", "rename one of them"),
    Code(
        "E_CAPACITY",
        "Constraint",
        "capacity is a power of two in 2..1,048,576, slot_bytes is in 8..1,048,576, memory at most 64 GiB",
        "write a power of two",
    ),
    Code(
        "E_URL",
        "Constraint",
        "an http_post stage names an absolute http or https URL without user and password",
        "write http_post:https://host/path",
    ),
    Code(
        "E_EXEC_PATH",
        "Constraint",
        "an exec stage names a program by its absolute path; arguments follow, separated by |",
        "write exec:/path/to/program|argument",
    ),
    # single ring
    Code("E_SHARDS", "Constraint", "shards is 1 to 64", "write 1 to 64"),
    Code(
        "E_PRODUCER",
        "Constraint",
        "producer is single",
        "write producer=single, or use one ring per producer",
    ),
    Code("E_SCHEDULING", "Constraint", "scheduling is dedicated", "write scheduling=dedicated"),
    Code(
        "E_ORDERING",
        "Constraint",
        "more than one shard needs per_key and a shard key; one shard needs strict and none",
        "write shards=1 and strict, or more shards, per_key and a shard_key",
    ),
    Code(
        "E_NO_STAGES",
        "Constraint",
        "a ring has at least one stage",
        "add a stage; `identity` passes messages on",
    ),
    Code(
        "E_TOO_MANY_STAGES", "Constraint", "a ring has at most 4 stages", "join stages, or use a lane graph"
    ),
    Code(
        "E_DEP_RANGE",
        "ForwardDependency",
        "a dependency is the index of an earlier stage",
        "name an earlier stage",
    ),
    Code(
        "E_DEP_ORDER",
        "Duplicate",
        "a dependency list is strictly increasing",
        "sort the list and drop duplicates",
    ),
    Code(
        "E_DEP_MISSING",
        "Constraint",
        "a stage after the first that is not identity names its dependencies",
        "add depends_on",
    ),
    Code(
        "E_SHARED_WRITE",
        "Constraint",
        "a stage that rewrites the slot overlaps with no other stage",
        "order it against the others with depends_on",
    ),
    # lane graph
    Code(
        "E_REF",
        "UnknownReference",
        "every lane that an endpoint or role names exists",
        "name a lane that exists",
    ),
    Code("E_NO_INGRESS", "Boundary", "a lane graph has an ingress", "add one of kind ingress"),
    Code("E_NO_EGRESS", "Boundary", "a lane graph has an egress", "add one of kind egress"),
    Code(
        "E_LANE_WRITERS",
        "Constraint",
        "a lane has one writer; an events lane with producers=multi two or more",
        "give the lane one writer",
    ),
    Code(
        "E_LANE_READERS",
        "Constraint",
        "a lane has one reader; a fanout_broadcast lane `consumers`; a journal lane any number",
        "give the lane one reader, or put a router behind it",
    ),
    Code("E_CYCLE", "Cycle", "lanes and roles, or stages, form no cycle", "cut one of the edges"),
    Code(
        "E_UNREACHABLE",
        "Unreachable",
        "everything is reached from an ingress and reaches an egress, an acting stage or a journal",
        "connect it, or remove it",
    ),
    Code("E_CONSUMERS", "Constraint", "a fanout_broadcast lane has 1 to 16 consumers", "write 1 to 16"),
    Code(
        "E_ROLE_ARITY",
        "Constraint",
        "rx: exactly 1, a merge 2 to 16; tx: exactly 1, a router 1 to 16, a stage 0 or 1; each lane once",
        "give it as many lanes as its kind takes, or change the kind",
    ),
    Code(
        "E_KIND_MISMATCH",
        "Constraint",
        "a stage's rx and tx lanes are of one kind (fanout_broadcast read as events)",
        "put a bridge between",
    ),
    Code(
        "E_ON_FULL",
        "Constraint",
        "on_full is block or drop; either way no message is lost uncounted",
        "write block or drop",
    ),
    # plan
    Code(
        "E_TARGET",
        "TargetMismatch",
        "target is SingleRing or LaneGraph, and target-only settings go with it",
        "change pipeline.target, or remove the setting",
    ),
    Code(
        "E_PAYLOAD",
        "SourcePayloadMismatch",
        "a plan carries the payload of its target: dependencies or connections",
        "add what the target needs, or change pipeline.target",
    ),
    Code(
        "E_UNKNOWN_REF", "UnknownReference", "every id that a plan refers to exists", "name an id that exists"
    ),
    Code(
        "E_DUPLICATE",
        "Duplicate",
        "ids, connections and generated names are unique",
        "rename or remove one of them",
    ),
    Code("E_SELF_DEPENDENCY", "SelfDependency", "nothing depends on, or connects to, itself", "remove it"),
    Code(
        "E_INTENT",
        "UnsupportedIntent",
        "an intent is Events, Journal, SequencedSlots or FanoutBroadcast, and fits where it stands",
        "write one of those",
    ),
    Code(
        "E_BOUNDARY",
        "Boundary",
        "an ingress is only left, an egress only entered, and each is connected",
        "connect it, turn the connection round, or remove it",
    ),
)

CODES: dict[str, Code] = {row.code: row for row in _ROWS}

CATEGORIES = (
    "parse",
    "structure",
    "TargetMismatch",
    "SourcePayloadMismatch",
    "UnknownReference",
    "Duplicate",
    "SelfDependency",
    "ForwardDependency",
    "UnsupportedIntent",
    "Constraint",
    "Cycle",
    "Unreachable",
    "Boundary",
)
