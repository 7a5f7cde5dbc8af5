"""``byteor key``: make keys, build and sign key sets, and pin the one that this user trusts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.governed import KeyFileOption, KidOption, NowOption, PassphraseOption
from byteor.cli.options import DryRun, Json

if TYPE_CHECKING:
    from byteor.governance.keyset import KeySet

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keys: who may approve, until when.")

DEFAULT_FILE = Path("signing_keys.json")
KeysOption = Annotated[Path, typer.Option("--keys", metavar="FILE", help="The key set to change.")]
KidArgument = Annotated[str, typer.Argument(metavar="KID", help="The key's id in the key set.")]


@app.command("generate")
def generate(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The new key's id, for example alice-2027.")],
    principal: Annotated[str, typer.Option(metavar="NAME", help="Whose key it is.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="PEM", help="Where the private key goes.", show_default=False),
    ],
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="GROUP", help="A group of the quorum; log, host, agent: a machine's."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the key may sign.")] = 365,
    plain: Annotated[bool, typer.Option("--plain", help="Unencrypted; only for a machine's key.")] = False,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a key: the private half into an encrypted file of mode 0600, the public entry on stdout.

    The entry is what `byteor key add` takes into a key set.
    """
    from byteor.cli.governed import moment, passphrase
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text, emit_would
    from byteor.governance.canonical import time_of
    from byteor.governance.keyset import Key, check_key
    from byteor.governance.private_key import check_new, save
    from byteor.governance.private_key import generate as new_key

    now = moment()
    signer = new_key()
    key = Key(
        kid=kid,
        alg="Ed25519",
        public_key=signer.public_key,
        principal=principal,
        groups=tuple(sorted(group or ())),
        not_before=time_of(now),
        not_after=time_of(now + days * 86_400),
        status="active",
    )
    check_key(key)
    if plain and key.is_person:
        raise usage_error("an approver's key is always encrypted", "--plain needs --group=log, host or agent")
    if dry_run:
        check_new(out)
        emit_would(
            "key-generate", {"path": str(out), "key": None}, f"make the key {kid} in {out}", as_json=json
        )
        return
    save(signer, out, None if plain else passphrase(passphrase_fd, twice=True))
    if json:
        emit_json("key-generate", {"path": str(out), "key": _key_fields(key)})
    else:
        emit_text(_entry(key))


@app.command("add")
def add(
    entry: Annotated[
        Path, typer.Argument(metavar="ENTRY", help="A public entry, as key generate prints it.")
    ],
    keys: KeysOption = DEFAULT_FILE,
    threshold: Annotated[
        int | None, typer.Option(min=1, help="How many keys must sign a new version.", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the key set holds.")] = 365,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put a key into a key set; the file is made when missing. It then waits for `byteor key sign`."""
    from byteor.governance.edit_keyset import add_key, new_key_set, read_entry

    key = read_entry(_bytes(entry), source=str(entry))
    until = _in_days(days)
    if keys.exists():
        changed = add_key(_read(keys), key, threshold=threshold, expires_at=until)
    else:
        changed = new_key_set(key, threshold=threshold or 1, expires_at=until)
    _write(keys, changed, dry_run, json)


@app.command("retire")
def retire(
    kid: KidArgument, keys: KeysOption = DEFAULT_FILE, dry_run: DryRun = False, json: Json = False
) -> None:
    """Take a key out of use: what it signed no longer verifies. Rotate instead to let it run out."""
    from byteor.governance.edit_keyset import set_status

    _write(keys, set_status(_read(keys), kid, "retired"), dry_run, json)


@app.command("revoke")
def revoke(
    kid: KidArgument, keys: KeysOption = DEFAULT_FILE, dry_run: DryRun = False, json: Json = False
) -> None:
    """Mark a key as lost or stolen: nothing that it signed holds any more, and it never comes back."""
    from byteor.governance.edit_keyset import set_status

    _write(keys, set_status(_read(keys), kid, "revoked"), dry_run, json)


@app.command("rotate")
def rotate(
    kid: KidArgument,
    entry: Annotated[Path, typer.Argument(metavar="ENTRY", help="The new key's public entry.")],
    keys: KeysOption = DEFAULT_FILE,
    overlap_days: Annotated[int, typer.Option(min=0, max=365, help="How long both keys sign.")] = 30,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add a new key of the same principal and let the old one run out: nothing that lives is voided."""
    from byteor.governance.edit_keyset import read_entry, rotate_key

    key = read_entry(_bytes(entry), source=str(entry))
    _write(keys, rotate_key(_read(keys), kid, key, until=_in_days(overlap_days)), dry_run, json)


@app.command("sign")
def sign(
    kid: KidOption,
    key_file: KeyFileOption,
    keys: KeysOption = DEFAULT_FILE,
    passphrase_fd: PassphraseOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Sign a key set: a new version needs the threshold of the old version's keys and of its own."""
    from byteor.cli.governed import signer_from
    from byteor.governance.edit_keyset import sign_key_set

    found = _read(keys)
    _write(keys, sign_key_set(found, kid, signer_from(key_file, passphrase_fd)), dry_run, json)


@app.command("trust")
def trust(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A signed key set.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="F", help="sha256:..., from another channel than the file.", show_default=False),
    ] = None,
    now: NowOption = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Pin a key set by its fingerprint, or without one take a successor of the pinned set.

    The highest version is remembered: an older one is E_KEYSET_ROLLBACK from then on.
    """
    from byteor.acts.approvals import read_document
    from byteor.acts.keys import check_trust
    from byteor.acts.keys import trust as trust_keys
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text, emit_would

    at, data = moment(now), read_document(path)
    if dry_run:
        found = check_trust(data, fingerprint, now=at)
        fields = {"fingerprint": found.fingerprint, "version": found.version, "audit_seq": None}
        text = f"trust key set version {found.version}, {found.fingerprint}"
        emit_would("key-trust", {**fields, "pinned": fingerprint is not None}, text, as_json=json)
        return
    found, seq = trust_keys(data, fingerprint, now=at)
    fields = {"fingerprint": found.fingerprint, "version": found.version, "audit_seq": seq}
    if json:
        emit_json("key-trust", {**fields, "pinned": fingerprint is not None})
    else:
        emit_text(f"trusted: key set version {found.version}, {found.fingerprint}")


@app.command("list")
def list_(
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help="This key set, not the trusted one.", show_default=False),
    ] = None,
    now: NowOption = None,
    json: Json = False,
) -> None:
    """List the keys of the trusted key set (or of FILE), with whether each may sign now."""
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.trust import trusted_keys

    at = moment(now)
    found = _read(keys) if keys is not None else trusted_keys()
    if json:
        emit_json("key-list", _set_fields(found, at))
        return
    lines = [
        f"key set version {found.version}, until {found.expires_at}, threshold {found.threshold},"
        f" {len(_signed_by(found, at))} valid signatures",
        f"fingerprint {found.fingerprint}",
        f"{'KEY':<20} {'PRINCIPAL':<20} {'GROUPS':<20} {'STATUS':<8} {'USABLE':<7} UNTIL",
    ]
    lines += [
        f"{key.kid:<20} {key.principal:<20} {','.join(key.groups) or '-':<20} {key.status:<8}"
        f" {'yes' if found.usable_key(key.kid, at) else 'no':<7} {key.not_after}"
        for key in found.keys
    ]
    emit_text("\n".join(lines))


@app.command("export")
def export(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it here.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write the trusted key set, for another host: public keys and signatures, nothing secret."""
    from byteor.atomic import write_file
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.edit_keyset import key_set_text
    from byteor.governance.trust import trusted_keys

    found = trusted_keys()
    text = key_set_text(found)
    if out is not None and not dry_run:
        write_file(out, text, mode=0o644)
    if json:
        fields = {"path": str(out) if out else None, "fingerprint": found.fingerprint, "dry_run": dry_run}
        emit_json("key-export", {**fields, "version": found.version})
    else:
        emit_text(found.fingerprint if out is not None else text.decode())


def _bytes(path: Path) -> bytes:
    from byteor.acts.approvals import read_document

    return read_document(path)


def _read(path: Path) -> KeySet:
    from byteor.governance.keyset import read_key_set

    return read_key_set(_bytes(path), source=str(path))


def _write(path: Path, keys: KeySet, dry_run: bool, json: bool) -> None:
    """Write the changed key set, but in a dry run, and say what it still needs."""
    from byteor.atomic import write_file
    from byteor.cli.governed import moment
    from byteor.cli.output import emit_json, emit_text
    from byteor.governance.edit_keyset import key_set_text

    text = key_set_text(keys)
    if not dry_run:
        write_file(path, text, mode=0o644)
    now = moment()
    if json:
        emit_json("key-set", {"path": str(path), "dry_run": dry_run, **_set_fields(keys, now)})
        return
    signed = len(_signed_by(keys, now))
    lines = [
        f"{'would write ' if dry_run else ''}{path}: version {keys.version},"
        f" {signed} of {keys.threshold} signatures of its own keys"
    ]
    lines.append(f"fingerprint {keys.fingerprint}")
    if signed < keys.threshold:
        lines.append("next: byteor key sign --kid=KID --key-file=PEM")
    emit_text("\n".join(lines))


def _signed_by(keys: KeySet, now: int) -> frozenset[bytes]:
    from byteor.governance.keyset import signers

    return signers(keys, keys, now)


def _set_fields(keys: KeySet, now: int) -> dict[str, Any]:
    return {
        "version": keys.version,
        "expires_at": keys.expires_at,
        "threshold": keys.threshold,
        "fingerprint": keys.fingerprint,
        "signatures": [signature.kid for signature in keys.signatures],
        "valid_signatures": len(_signed_by(keys, now)),
        "keys": [
            {**_key_fields(key), "usable": keys.usable_key(key.kid, now) is not None} for key in keys.keys
        ],
    }


def _key_fields(key: Any) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(key)
    return found


def _entry(key: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(key), indent=2).decode()


def _in_days(days: int) -> str:
    from byteor.cli.governed import moment
    from byteor.governance.canonical import time_of

    return time_of(moment() + days * 86_400)
