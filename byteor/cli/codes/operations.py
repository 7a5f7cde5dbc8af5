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
    )
)
