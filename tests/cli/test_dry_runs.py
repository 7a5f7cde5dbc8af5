"""Every verb has --json and -h; every one that changes something has --dry-run, which changes no byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from terminal import Terminal
from typer.main import get_command

from byteor.cli.main import build_app
from byteor_store import audit_path

# Verbs that only tell something, or write no more than the new file that was named or would hold evidence.
# A verb that stands neither here nor has --dry-run fails the test below.
ONLY_READ = """
validate describe hash dot diff capabilities stages compatibility explain schema watch edge.list
ps top logs metrics snapshot incident-bundle replay
region.ls region.inspect region.dump region.watch
journal.ls journal.cat journal.stat journal.verify journal.slice
bundle.verify bundle.show bundle.diff incident.list incident.show incident.timeline determinism.check
audit.log audit.verify audit.verify-proof policy.explain policy.table policy.check policy.backtest
env.list env.show key.list approval.verify approval.list approval.show config.show
""".split()  # noqa: SIM905
OTHERWISE = {"fmt": "--check"}  # the same under the name that formatters have


def verbs(command: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """(name, options) of every verb."""
    for name, one in getattr(command, "commands", {}).items():
        full = f"{path}.{name}" if path else name
        if hasattr(one, "commands"):
            yield from verbs(one, full)
        else:
            yield full, {option for parameter in one.params for option in parameter.opts}


ALL = dict(verbs(get_command(build_app([]))))


@pytest.mark.parametrize("name", ALL)
def test_a_verb_has_what_every_verb_has(name: str, terminal: Terminal) -> None:
    from byteor.cli import main

    assert "--json" in ALL[name]
    assert name in ONLY_READ or OTHERWISE.get(name, "--dry-run") in ALL[name]
    terminal.capfd.readouterr()
    assert main([*name.split("."), "-h"]) == 0
    assert f"byteor {name.replace('.', ' ')}" in terminal.capfd.readouterr().out


def test_the_list_of_verbs_that_only_read_names_no_others() -> None:
    assert set(ONLY_READ) <= set(ALL)


def digests(root: Path) -> dict[str, str]:
    """What every file below ``root`` holds, and every folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(root))] = held
    return found


@pytest.fixture
def story(desk: Desk, tmp_path: Path) -> dict[str, str]:
    """A request that is open, one that is approved, an emergency, a freeze, a copy of the log, files."""
    team = desk.team
    opened, approved = desk.request("prod"), desk.request("prod")
    desk.approve(approved, "alice")
    team.good("approval", "export", approved[0], "-o", "out")
    glass = ("approval", "break-glass", desk.spec, "--env", "prod", "--reason", "the pager is on fire now")
    made = team.sign(*glass, name="alice")
    team.good("freeze", "--env", "stage", "--reason", "odd")
    team.good("audit", "checkpoint")
    team.good("audit", "backup", "-o", "copy.db")
    fingerprint = team.good("key", "list", "--keys", "signing_keys.json")["fingerprint"]
    return {
        "ID": opened[0], "DIGEST": opened[1], "APPROVED": approved[0], "EMERGENCY": made["approval_id"],
        "SPEC": desk.spec, "FINGERPRINT": fingerprint,
    }  # fmt: skip


# Words in capitals are the story's; a line that ends in a name is signed with that person's key.
DRY = [
    "key generate zoe-1 --principal zoe -o zoe.pem",
    "key add new.json",
    "key retire carol-1",
    "key revoke carol-1",
    "key rotate alice-1 newer.json",
    "key sign @alice",
    "key trust signing_keys.json --fingerprint FINGERPRINT",
    "key trust signing_keys.json",
    "key export -o exported.json",
    "env sign byteor.toml --version 2 @alice",
    "approval request SPEC --env prod --reason because -o request.json",
    "approval approve ID --digest DIGEST @alice",
    "approval deny ID --digest DIGEST --reason no @alice",
    "approval revoke APPROVED --reason wrong -o list.dsse @alice",
    "approval import out/request.json",
    "approval export APPROVED -o elsewhere",
    "approval break-glass SPEC --env prod --reason everything-is-burning-here -o g.dsse @alice",
    "approval review EMERGENCY --note right @carol",
    "freeze --env prod --reason odd",
    "unfreeze --env stage @alice",
    "audit checkpoint",
    "audit cosign -o note @alice",
    "audit erase --entry 1 --reason asked",
    "audit backup -o another.db",
    "audit restore copy.db",
    "audit export --db exported.db",
    "audit prove --entry 0 -o proof.json",
]


def test_every_governance_verb_that_changes_something_is_tried_below() -> None:
    groups = ("key", "env", "approval", "freeze", "unfreeze", "audit")
    changing = {name for name in ALL if name.split(".")[0] in groups and name not in ONLY_READ}
    tried = {line.split()[0] if line.split()[0] in ALL else ".".join(line.split()[:2]) for line in DRY}
    assert tried == changing


def test_a_dry_run_changes_no_byte(story: dict[str, str], team: Terminal, tmp_path: Path) -> None:
    for name in ("new", "newer"):
        made = team.good(
            "key", "generate", f"{name}-1", "--principal", "alice" if name == "newer" else "ned",
            "--group", "ops", "-o", f"{name}.pem", passphrase="passphrase of them",
        )  # fmt: skip
        Path(f"{name}.json").write_text(json.dumps(made["key"]))
    for line in DRY:
        words = [story.get(word, word) for word in line.split()]
        who = words.pop()[1:] if words[-1].startswith("@") else None
        if who is not None:
            words += ["--kid", f"{who}-1", "--key-file", f"{who}.pem"]
        before = digests(tmp_path)
        code, told = team.run(*words, "--dry-run", passphrase=f"passphrase of {who}" if who else None)
        assert code == (5 if words[0] == "unfreeze" else 0), (line, told)
        assert told["dry_run"] is True, line
        assert digests(tmp_path) == before, line


def test_a_dry_run_on_a_host_where_nothing_is_yet_makes_nothing(terminal: Terminal, tmp_path: Path) -> None:
    spec = Path(__file__).parents[2] / "specs" / "alerting.plan.kv"
    before = digests(tmp_path)
    asked = ("approval", "request", str(spec), "--env", "prod", "--reason", "x", "--dry-run")
    assert terminal.good(*asked)["dry_run"] is True
    assert terminal.good("freeze", "--env", "prod", "--reason", "x", "--dry-run")["dry_run"] is True
    assert terminal.run("audit", "checkpoint", "--dry-run")[0] == 7
    assert digests(tmp_path) == before
    assert not audit_path().exists()
