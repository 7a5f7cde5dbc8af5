"""What the governance verbs share: environments, the moment, key files and passphrases."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byteor.cli.options import usage_error

if TYPE_CHECKING:
    from byteor.governance.environment_file import Environments
    from byteor.governance.keyset import Key, KeySet
    from byteor.governance.private_key import Signer

MAX_PASSPHRASE_BYTES = 4096

EnvironmentsOption = Annotated[
    Path | None,
    typer.Option(
        "--environments", metavar="FILE", help="This byteor.toml alone (for checks and dry runs).",
        show_default=False,
    ),
]  # fmt: skip
EnvOption = Annotated[
    str, typer.Option("--env", metavar="NAME", help="An environment of byteor.toml.", show_default=False)
]
RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id.")]
EnvChoice = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="The environment to run in.", show_default="dev"),
]
CredentialOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--credential", metavar="F", help="A credential, or break-glass.dsse; may be repeated.",
        show_default="approval.cred beside the spec",
    ),
]  # fmt: skip
CompanionOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--companion", metavar="F", help="An approval.dsse; else those beside the credentials.",
        show_default=False,
    ),
]  # fmt: skip
ApprovalOption = Annotated[
    str | None,
    typer.Option(
        "--approval", metavar="REQUEST", help="The answers to this request, as they are kept here.",
        show_default=False,
    ),
]  # fmt: skip
DryEffects = Annotated[
    bool, typer.Option("--dry-effects", help="Run, but actions only record what they would have done.")
]
NowOption = Annotated[
    str | None,
    typer.Option("--now", metavar="T", help="Pretend it is this moment (RFC 3339, Z).", show_default=False),
]
KeyFileOption = Annotated[
    Path, typer.Option("--key-file", metavar="PEM", help="The private key that signs.", show_default=False)
]
KidOption = Annotated[
    str, typer.Option("--kid", metavar="KID", help="Its id in the key set.", show_default=False)
]
PassphraseOption = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd", metavar="N", min=0, help="Read the passphrase from this file descriptor.",
        show_default=False,
    ),
]  # fmt: skip


def moment(now: str | None = None) -> int:
    """``now`` (RFC 3339) or this moment, in seconds since 1970. Raises ``E_USAGE``."""
    import time

    from byteor.governance.canonical import unix_of

    if now is None:
        return int(time.time())
    try:
        return unix_of(now)
    except ValueError as error:
        raise usage_error(f"--now {now} is {error}", "write 2027-01-15T08:00:00Z") from None


def environments(given: Path | None, now: int, *, remember: bool = True) -> Environments:
    """The environments that count here; the version of a signed file is remembered, except in a dry run."""
    from byteor.governance.environment_file import load_environments, user_file
    from byteor.governance.environment_trust import environment_trust, remember_environments

    found = load_environments(
        given=given, start=Path.cwd(), user=user_file(), trust=environment_trust(), now=now
    )
    if found.signed_version and remember:
        remember_environments(found.signed_version)
    return found


def passphrase(descriptor: int | None, *, twice: bool = False) -> bytes:
    """A passphrase from ``descriptor`` (its first line) or from the terminal, without echo.

    Never from an argument or the environment: other processes read those. Raises ``E_USAGE`` without either.
    """
    if descriptor is not None:
        return _from_descriptor(descriptor)
    if not sys.stdin.isatty():
        raise usage_error("a passphrase is needed and there is no terminal", "--passphrase-fd=N 3< FILE")
    import getpass

    first = getpass.getpass("passphrase: ")
    if twice and getpass.getpass("again: ") != first:
        raise usage_error("the two passphrases differ", "try again")
    return first.encode()


def _from_descriptor(descriptor: int) -> bytes:
    data = b""
    try:
        while b"\n" not in data and len(data) <= MAX_PASSPHRASE_BYTES:
            chunk = os.read(descriptor, MAX_PASSPHRASE_BYTES)
            if not chunk:
                break
            data += chunk
    except OSError as error:
        raise usage_error(f"file descriptor {descriptor}: {error.strerror}", "open it: 3< FILE") from None
    return data.partition(b"\n")[0]


def signer_from(path: Path, descriptor: int | None, *, person: bool = True) -> Signer:
    """The key in ``path``, of a ``person`` or an agent; it is judged before anybody types a passphrase."""
    from byteor.governance.private_key import is_encrypted, open_key, read_pem

    pem = read_pem(path)
    return open_key(pem, passphrase(descriptor) if is_encrypted(pem) else None, person=person)


def principal(keys: KeySet, kid: str) -> str:
    """Whose key ``kid`` is in the trusted key set. Raises ``E_UNKNOWN_KEY``."""
    return _known_key(keys, kid).principal


def groups_of(keys: KeySet, kid: str) -> tuple[str, ...]:
    """The groups of ``kid`` in the trusted key set. Raises ``E_UNKNOWN_KEY``."""
    return _known_key(keys, kid).groups


def signing_key(keys: KeySet, kid: str, signer: Signer) -> Key:
    """The entry of ``kid``, whose private key ``signer`` has. Raises ``E_UNKNOWN_KEY``, ``E_SIGNATURE``."""
    from byteor.governance.errors import refused

    key = _known_key(keys, kid)
    if key.public_key != signer.public_key:
        raise refused("E_SIGNATURE", f"the private key is not that of `{kid}`")
    return key


def _known_key(keys: KeySet, kid: str) -> Key:
    from byteor.governance.errors import refused

    key = keys.key(kid)
    if key is None:
        raise refused("E_UNKNOWN_KEY", f"there is no key `{kid}` in the trusted key set")
    return key
