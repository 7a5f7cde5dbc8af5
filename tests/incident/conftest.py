"""A small bundle's members and its signer."""

from __future__ import annotations

import json

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
