"""A small bundle's members and its signer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundles import SPEC

from byteor.governance.private_key import Signer, generate


@pytest.fixture(scope="session")
def signer() -> Signer:
    return generate()


@pytest.fixture
def members() -> dict[str, bytes]:
    """The least that a bundle holds."""
    return {
        "spec.kv": SPEC,
        "spec_validation.json": json.dumps({"ok": True, "description": "a ring"}).encode(),
        "runtime.json": json.dumps({"package": {"name": "byteor", "version": "0"}}).encode(),
        "policy_audit.json": json.dumps({"ok": True}).encode(),
        "environment.json": json.dumps({"pid": 1, "env": {}, "args": []}).encode(),
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("run", "state", "shm"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"BYTEOR_{name.upper().replace('RUN', 'RUNTIME')}_DIR", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path
