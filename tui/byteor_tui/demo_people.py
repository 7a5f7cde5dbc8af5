"""The demo's people: a pinned key set with two approvers; a signed byteor.toml whose prod asks both.

Everything lies below one folder that goes with the demo. The passphrase is in the open because the keys are
worth nothing: they open this demo and live as long as it does.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

PASSPHRASE = "demo-demo-demo"
APPROVERS = ("alice", "bob")
DAY_S = 86_400
ENVIRONMENTS = """\
# The demo's environments. prod asks two people of sre before anything leaves the machine.
org_id = "demo"
project_id = "telemetry"

[environments.prod]
posture = "prod"
replay = "allowed"
side_effects = "require_approval"
quorum = [{{ group = "sre", n = 2 }}]

[environments.prod.actions]
http = ["{receiver}"]
"""


class People(msgspec.Struct, frozen=True):
    """``identities``: (key id, key file) of each approver."""

    identities: tuple[tuple[str, str], ...]
    environments: Path


def make_people(root: Path, receiver: str) -> People:
    """Keys, key set and byteor.toml below ``root``; the set is pinned in ``$BYTEOR_STATE_DIR``.

    ``receiver`` is the URL that actions may post to.
    """
    from byteor.acts.keys import trust
    from byteor.governance.canonical import time_of
    from byteor.governance.edit_keyset import add_key, key_set_text, new_key_set, sign_key_set
    from byteor.governance.environment_signature import sign_file
    from byteor.governance.keyset import Key
    from byteor.governance.private_key import generate, save

    now = int(time.time())
    until = time_of(now + DAY_S)
    signers = {name: generate() for name in APPROVERS}
    keys = [
        Key(
            f"{name}-1",
            "Ed25519",
            signers[name].public_key,
            name,
            ("sre",),
            time_of(now - 60),
            until,
            "active",
        )
        for name in APPROVERS
    ]
    found = new_key_set(keys[0], threshold=1, expires_at=until)
    for key in keys[1:]:
        found = add_key(found, key, threshold=None, expires_at=until)
    found = sign_key_set(found, keys[0].kid, signers[APPROVERS[0]])
    trust(key_set_text(found), found.fingerprint, now=now)
    environments = root / "byteor.toml"
    environments.write_text(ENVIRONMENTS.format(receiver=receiver))
    first = (keys[0].kid, signers[APPROVERS[0]])
    sign_file(environments, version=1, expires_at=until, signers=[first])
    identities = []
    for name, signer in signers.items():
        path = root / f"{name}.pem"
        save(signer, path, PASSPHRASE.encode())
        identities.append((f"{name}-1", str(path)))
    return People(tuple(identities), environments)
