"""Documents whose values and parts were exchanged at random, as JSON: judged without raising, each finding
with its place. Seed: BYTEOR_SEED."""

from __future__ import annotations

import copy
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from byteor.spec import check_document, encode, read_document

sys.path.insert(0, str(Path(__file__).parent))

import spec_documents

MAKERS = (spec_documents.right_plan, spec_documents.right_ring_plan, spec_documents.plan)
BAD = ({}, [], None, True, 1.5, "", [[]], [{}], {"a": 1}, "x\ny", -1, 10**30, "name", 0, "journal", "events")


def nested(canonical: str) -> Any:
    """Canonical KV as nested objects and lists; every number as an integer."""
    root: Any = {}
    for line in canonical.splitlines():
        key, _, value = line.partition("=")
        parts = [int(part) if part.isdigit() else part for part in key.split(".")]
        node = root
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            leaf: Any = [] if isinstance(following, int) else {}
            if following is None:
                leaf = int(value) if value.isdigit() else value
            if isinstance(node, list) and part == len(node):
                node.append(leaf)
            elif isinstance(node, dict):
                node.setdefault(part, leaf)
            node = node[part]
    return root


def places(node: Any) -> list[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


def test_parts_that_were_exchanged_are_judged_and_each_finding_has_a_place() -> None:
    r = random.Random(int(os.environ.get("BYTEOR_SEED", "4")))
    accepted = 0
    for _ in range(1500):
        value: Any = r.choice(MAKERS)(r)
        if r.random() < 0.5:
            spec = check_document(read_document(encode(value))).spec
            value = value if spec is None else spec.spec
        document = nested(encode(value).decode())
        for _ in range(r.randrange(4)):
            holder, key = r.choice(places(document) or [({"v": 1}, "v")])
            other, other_key = r.choice(places(document) or [({"v": 1}, "v")])
            holder[key] = copy.deepcopy(r.choice((r.choice(BAD), other[other_key])))
        data = json.dumps(document).encode()
        report = check_document(read_document(data, format="json", strict=True))
        accepted += report.ok
        assert report.ok or report.plan_diagnostics, data
        assert all(finding.where.line for finding in report.plan_diagnostics), data
    assert accepted > 100
