"""Thirty kinds of secrets are planted; after a day of governed work none is in a file, on a screen or in an
error: .venv/bin/pytest -m campaign tests/cli/test_canaries.py (a few seconds)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from desk import Desk

from byteor_store import audit_path

VARIABLES = (
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN", "PGPASSWORD", "MYSQL_PWD",
    "SLACK_TOKEN", "OPENAI_API_KEY", "AZURE_CLIENT_SECRET", "DATABASE_URL", "REDIS_PASSWORD", "NPM_TOKEN",
    "HTTP_PROXY", "SSH_AUTH_SOCK", "KUBECONFIG_TOKEN", "BYTEOR_PASSPHRASE",
)  # fmt: skip


def spellings(pem: bytes, passphrase: bytes | None) -> dict[str, bytes]:
    """One private key in the forms in which a program could let it out."""
    key: Any = load_pem_private_key(pem, passphrase)
    raw = key.private_bytes_raw()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "raw": raw,
        "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw).rstrip(b"="),
        "base64url": base64.urlsafe_b64encode(raw).rstrip(b"="),
        "PKCS#8": base64.b64encode(der)[20:].rstrip(b"="),
    }


@pytest.mark.campaign
def test_no_canary_gets_out(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {name: f"canary-{number:02d}-Zk3".encode() for number, name in enumerate(VARIABLES)}
    for name, value in planted.items():
        monkeypatch.setenv(name, value.decode())
    for name in ("alice", "carol"):
        planted[f"passphrase of {name}"] = f"passphrase of {name}".encode()
    for form, value in spellings(Path("alice.pem").read_bytes(), b"passphrase of alice").items():
        planted[f"alice's key, {form}"] = value
    answers = {name: f"canary-{name}-Zk3" for name in ("body", "cookie", "reason", "redirect")}
    planted |= {f"answer's {name}": value.encode() for name, value in answers.items()}
    planted["a wrong passphrase"] = b"canary-wrong-Zk3"
    planted["output of a program"] = b"canary-output-Zk3"

    def talk(status: int) -> Any:
        def answer(handler: Any) -> None:
            handler.send_response(status, answers["reason"])
            handler.send_header("Set-Cookie", answers["cookie"])
            handler.send_header("Location", "http://127.0.0.1:1/" + answers["redirect"])
            handler.send_header("Content-Length", str(len(answers["body"])))
            handler.end_headers()
            handler.wfile.write(answers["body"].encode())

        return answer

    desk.server.script = [talk(status) for status in (200, 503, 200, 302)]
    assert desk.run("dev")[0] == 0
    assert desk.run("dev")[0] == 11
    request = desk.request("prod")
    wrong = ("approval", "approve", request[0], "--digest", request[1], "--kid", "alice-1")
    assert desk.team.run(*wrong, "--key-file", "alice.pem", passphrase="canary-wrong-Zk3")[0] == 9
    desk.approve(request, "alice")
    assert desk.run("prod", "--approval", request[0])[0] == 0
    program = tmp_path / "talks"
    program.write_text("#!/bin/sh\nenv >&2; echo canary-output-Zk3; exit 3\n")
    program.chmod(0o755)
    listed = f'posture = "dev"\n[environments.dev.actions]\nexec = ["{program}"]'
    toml = Path("byteor.toml").read_text().replace('posture = "dev"', listed)
    Path("byteor.toml").write_text(toml)
    desk.team.sign("env", "sign", "byteor.toml", "--version", "2", name="alice")
    desk.write_spec(f"exec:{program}")
    assert desk.run("dev")[0] == 11
    assert "effect_unknown" in desk.actions()
    for form, value in spellings(audit_path().with_name("audit.key").read_bytes(), None).items():
        planted[f"the log's key, {form}"] = value
    assert len(planted) >= 30

    program.unlink()
    screen = "".join(desk.team.seen).encode()
    for path in (found for found in tmp_path.rglob("*") if found.is_file() and found.name != "audit.key"):
        data = path.read_bytes()
        leaked = [what for what, secret in planted.items() if secret in data]
        assert leaked == [], path
    assert [what for what, secret in planted.items() if secret in screen] == []
