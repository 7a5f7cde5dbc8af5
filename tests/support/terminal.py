"""Types ``byteor`` command lines in this process, as an operator with keys does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from byteor.cli import main

TOML = """org_id = "acme"
project_id = "telemetry"
[environments.stage]
posture = "staging"
quorum = [{ group = "ops", n = 1 }, { group = "risk", n = 1 }]
[environments.prod]
posture = "prod"
"""


class Terminal:
    """Types command lines; every verb with --json, so that its one document is what is looked at."""

    def __init__(self, folder: Path, capfd: Any) -> None:
        self.folder, self.capfd = folder, capfd
        self.seen: list[str] = []  # everything that was on the screen

    def run(self, *words: str, passphrase: str | None = None) -> tuple[int, dict[str, Any]]:
        line = [*words, "--json"]
        if passphrase is not None:
            read, write = os.pipe()
            os.write(write, passphrase.encode() + b"\n")
            os.close(write)
            line.append(f"--passphrase-fd={read}")
        self.capfd.readouterr()
        code = main(line)
        if passphrase is not None:
            os.close(read)
        shown = self.capfd.readouterr()
        self.seen += [shown.out, shown.err]
        return int(code), json.loads(shown.out)

    def good(self, *words: str, passphrase: str | None = None) -> dict[str, Any]:
        code, document = self.run(*words, passphrase=passphrase)
        assert code == 0, document
        return document

    def make_key(self, name: str, group: str) -> None:
        made = self.good(
            "key",
            "generate",
            f"{name}-1",
            "--principal",
            name,
            "--group",
            group,
            "-o",
            f"{name}.pem",
            passphrase=f"passphrase of {name}",
        )
        Path(f"{name}.json").write_text(json.dumps(made["key"]))
        self.good("key", "add", f"{name}.json")

    def sign(self, *words: str, name: str) -> dict[str, Any]:
        return self.good(
            *words, "--kid", f"{name}-1", "--key-file", f"{name}.pem", passphrase=f"passphrase of {name}"
        )
