"""Codes of environments, keys and approvals. Rules and hints are the governance layer's own."""

from __future__ import annotations

from byteor.cli.codes.row import Row
from byteor.governance.errors import CODES

_VERIFY = "byteor approval verify --credential C --keys keys.json --spec demo.spec.kv --env prod"
_TRUST = "byteor key trust keys.json --fingerprint sha256:..."
_REQUEST = "byteor approval request --spec demo.spec.kv --env prod --reason 'ticket 4711'"
_APPROVE = "byteor approval approve REQUEST --kid alice-2027 --key-file alice.pem"

# code -> a line that brings it about, and a like one that does not
_EXAMPLES = {
    "E_ENVIRONMENT_FILE": (
        "printf '[environments.x]\\nnonsense = 1\\n' > e.toml; byteor env list --environments e.toml",
        "byteor policy check",
    ),
    "E_ENVIRONMENT_UNKNOWN": ("byteor env show nowhere", "byteor env show dev"),
    "E_ENVIRONMENTS_SIGNATURE": (
        "rm byteor.toml.dsse (a host that pinned keys wants it signed)",
        "byteor env sign byteor.toml --version 2 --kid alice-2027 --key-file alice.pem",
    ),
    "E_ENVIRONMENTS_ROLLBACK": (
        "byteor env sign byteor.toml --version 1 (2 was seen)",
        "byteor env sign byteor.toml --version 3",
    ),
    "E_DECODE": (f"echo junk > C; {_VERIFY}", _VERIFY),
    "E_UNKNOWN_KEY": (f"{_VERIFY} (signed by a retired key)", _VERIFY),
    "E_SIGNATURE": (f"{_VERIFY} (a letter of C was changed)", _VERIFY),
    "E_VERSION": (f"{_VERIFY} (C has v=2)", _VERIFY),
    "E_SPEC_HASH": (_VERIFY.replace("demo", "other"), _VERIFY),
    "E_ENVIRONMENT": (_VERIFY.replace("prod", "staging"), _VERIFY),
    "E_EXPIRED": (f"{_VERIFY} --now 2099-01-01T00:00:00Z", _VERIFY),
    "E_CAPABILITY": (f"{_VERIFY} (the spec got an exec stage since)", _VERIFY),
    "E_COMPANION": (
        f"{_VERIFY} --companion other.dsse",
        f"{_VERIFY} --companion approval.dsse",
    ),
    "E_REVOKED": (
        "byteor approval revoke ID --reason 'wrong spec'; then a run under it",
        _REQUEST,
    ),
    "E_USED": ("a second run under an approval of one use", f"{_REQUEST} --max-uses 2"),
    "E_QUORUM": (
        "a run with one credential, where two people must approve",
        f"{_APPROVE}\nbyteor approval approve REQUEST --kid bob-2027 --key-file bob.pem",
    ),
    "E_KEYSET": ("echo '{}' > keys.json; byteor key list --keys keys.json", "byteor key list"),
    "E_KEYSET_SIGNATURE": (
        f"{_TRUST} (nobody signed it)",
        "byteor key sign --kid alice-2027 --key-file alice.pem --keys keys.json",
    ),
    "E_KEYSET_ROLLBACK": ("byteor key trust keys-v1.json (v2 is pinned)", "byteor key trust keys-v3.json"),
    "E_KEYSET_CHAIN": (
        "byteor key trust keys-v3.json (the keys of v2 did not sign it)",
        "byteor key sign --kid alice-2027 --key-file alice.pem --keys keys-v3.json (alice is in v2)",
    ),
    "E_FINGERPRINT": (f"{_TRUST} (of another key set)", _TRUST),
    "E_NOT_PINNED": ("byteor key list (where no key set was trusted yet)", _TRUST),
    "E_PRIVATE_KEY": (f"{_APPROVE} (and a wrong passphrase)", _APPROVE),
    "E_KEY_MODE": (f"chmod 644 alice.pem; {_APPROVE}", f"chmod 600 alice.pem; {_APPROVE}"),
    "E_REVOCATIONS": (
        f"{_VERIFY} --revocations old.dsse (it has expired)",
        f"{_VERIFY} --revocations revocations.dsse",
    ),
    "E_REQUEST": (
        "byteor approval import request.json (a member was added by hand)",
        "byteor approval import request.json (as byteor approval export wrote it)",
    ),
    "E_REQUEST_STATE": (f"{_APPROVE} (it was denied)", f"{_REQUEST} (a new one)"),
    "E_REQUESTER": (
        "byteor approval import request.json (of prod, and nobody signed it)",
        "byteor approval import request.json requester.dsse",
    ),
    "E_NOT_ELIGIBLE": (f"{_APPROVE} (alice made the request)", "somebody else approves it"),
    "E_BREAK_GLASS": ("a break-glass document that lasts 48 h", "a break-glass document that lasts 1 h"),
    "E_REVIEW_OVERDUE": (
        "a second break-glass, 25 h after one that nobody reviewed",
        "close the review first",
    ),
    "E_FREEZE": (
        "the same person lifts a freeze twice",
        "two people lift it, each once",
    ),
}

ROWS = tuple(
    Row("governance", code, CODES[code].rule, CODES[code].hint, wrong, right)
    for code, (wrong, right) in _EXAMPLES.items()
)
