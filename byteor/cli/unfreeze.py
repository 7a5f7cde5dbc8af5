"""``byteor unfreeze``: ask to lift a freeze; the second person's asking lifts it."""

from __future__ import annotations

from byteor.cli.governed import (
    EnvironmentsOption,
    EnvOption,
    KeyFileOption,
    KidOption,
    PassphraseOption,
)
from byteor.cli.options import DryRun, Json


def command(
    env: EnvOption,
    kid: KidOption,
    key_file: KeyFileOption,
    given: EnvironmentsOption = None,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Sign that an environment's freeze should end. Exit 5 while a second person is wanting."""
    from byteor.acts.freezes import asked_by, unfreeze
    from byteor.cli.governed import environments, moment, signer_from
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.errors import Exit
    from byteor.governance.trust import trusted_keys

    now = moment()
    environment = environments(given, now, remember=not dry_run).get(env)
    signer = signer_from(key_file, passphrase_fd)
    if dry_run:
        lifters = asked_by(environment, kid, signer, keys=trusted_keys(), now=now)[1]
        lifted = len(lifters) > 1
        text = f"{'lift the freeze of' if lifted else 'ask to lift the freeze of'} {env}"
        fields = {"environment": env, "lifted": lifted, "lifters": lifters, "audit_seq": None}
        emit_would("unfreeze", fields, text, as_json=json)
        return Exit.OK if lifted else Exit.PENDING
    found = unfreeze(environment, kid, signer, keys=trusted_keys(), now=now)
    if json:
        told = {"environment": env, "lifted": found.lifted, "lifters": found.lifters}
        emit_json("unfreeze", {**told, "audit_seq": found.audit_seq})
    else:
        done = "is free again" if found.lifted else "stays frozen until a second person asks, too"
        emit_text(f"{env} {done}: {', '.join(found.lifters)}")
    return Exit.OK if found.lifted else Exit.PENDING
