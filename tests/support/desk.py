"""A signed byteor.toml, a spec that acts on a server, and the verbs to run it under approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from http_script import Server
from terminal import Terminal

from byteor_store import AuditLog, audit_path

TOML = """org_id = "acme"
project_id = "telemetry"
[environments.dev]
posture = "dev"
[environments.stage]
posture = "staging"
quorum = [{ group = "ops", n = 1 }, { group = "risk", n = 1 }]
[environments.prod]
posture = "prod"
quorum = [{ group = "ops", n = 1 }]
"""


class Desk:
    """A signed byteor.toml, a spec that posts to ``server``, and verbs to run it."""

    def __init__(self, team: Terminal, server: Server) -> None:
        self.team, self.server = team, server
        Path("byteor.toml").write_text(TOML)
        team.sign("env", "sign", "byteor.toml", "--version", "1", name="alice")
        self.spec = "alerts.spec.kv"
        self.write_spec(f"http_post:{server.origin}/hook")
        Path("in").write_text("one\ntwo\n")

    def write_spec(self, *keys: str) -> None:
        lines = ["v=1", "model=single_ring", "name=alerts", "single_ring.capacity=64"]
        for index, key in enumerate(keys):
            lines += [f"single_ring.stages.{index}.name=s{index}", f"single_ring.stages.{index}.key={key}"]
            lines += [f"single_ring.stages.{index}.depends_on.0={index - 1}"] if index else []
        Path(self.spec).write_text("\n".join(lines) + "\n")

    def run(self, env: str, *words: str) -> tuple[int, dict[str, Any]]:
        return self.team.run(
            "run", self.spec, "--env", env, "--source=file:in", "--sink=null:", "--drain-timeout=20", *words
        )

    def request(self, env: str, *words: str) -> tuple[str, str]:
        asked = ("approval", "request", self.spec, "--env", env, "--reason", "new")
        made = self.team.good(*asked, *words)
        return made["request_id"], made["digest"]

    def approve(self, request: tuple[str, str], *names: str) -> None:
        for name in names:
            self.team.sign("approval", "approve", request[0], "--digest", request[1], name=name)

    def actions(self) -> list[str]:
        with AuditLog.observe(audit_path()) as log:
            return [row.leaf.action for row in log.rows()]
