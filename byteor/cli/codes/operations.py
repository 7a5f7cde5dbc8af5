"""Codes of looking after runs: tuning, telemetry, detached runs, replacement."""

from __future__ import annotations

from byteor.cli.codes.row import Row

_RUN = "byteor run demo.spec.kv --source generate:10,16 --sink null:"

ROWS = tuple(
    Row("operations", *rest)
    for rest in (
        (
            "E_PROFILE",
            "a tuning profile has one of the known names",
            "default, low-latency or isolated-core",
            "byteor doctor --profile fast",
            "byteor doctor --profile low-latency",
        ),
        (
            "E_RUN_VERSION",
            "run.json has the version that this byteor writes",
            "look at the run, and end it, with the byteor that started it; then byteor gc of that byteor",
            "byteor snapshot NAME (of a run that a newer byteor started)",
            "/opt/byteor-NEWER/bin/byteor snapshot NAME",
        ),
        (
            "E_METRICS_ADDR",
            "metrics are served at a free address of this host",
            "write PORT or HOST:PORT; port 0 takes a free one and tells it",
            f"{_RUN} --metrics-addr nowhere",
            f"{_RUN} --metrics-addr 0",
        ),
    )
)
