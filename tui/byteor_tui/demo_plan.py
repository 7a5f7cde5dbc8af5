"""The plan of the demo, carried along so that an installed console needs no checkout.

It is ``specs/host-telemetry.plan.kv`` letter for letter; a test compares the two.
"""

from __future__ import annotations

PLAN = """\
# Shows: counters of this host become rates, unusual ones are marked, every message carries its site.
v=2
pipeline.name=host-telemetry
pipeline.description=Rates and outliers of this host's counters
pipeline.target=SingleRing
pipeline.boundaries.0.id=host
pipeline.boundaries.0.kind=ingress
pipeline.boundaries.1.id=out
pipeline.boundaries.1.kind=egress
pipeline.stages.0.id=parse
pipeline.stages.0.key=json_normalise
pipeline.stages.1.id=detect
pipeline.stages.1.key=zscore:120,4.0
pipeline.stages.1.depends_on.0=parse
pipeline.stages.2.id=annotate
pipeline.stages.2.key=json_append:"site":"demo"
pipeline.stages.2.depends_on.0=detect
pipeline.constraints.capacity=4096
pipeline.constraints.slot_bytes=256
"""


def faulty_plan(receiver: str) -> str:
    """The same with a check that fails on demand, and a governed action that posts what is unusual."""
    start = PLAN.index("pipeline.stages.2.id=annotate")
    end = PLAN.index("pipeline.constraints")
    more = f"""\
pipeline.stages.2.id=check
pipeline.stages.2.key=demo_check
pipeline.stages.2.depends_on.0=detect
pipeline.stages.3.id=alert
pipeline.stages.3.key=http_post:{receiver}
pipeline.stages.3.depends_on.0=check
"""
    return PLAN[:start] + more + PLAN[end:]
