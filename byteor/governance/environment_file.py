"""Finding and reading byteor.toml files: which environments there are, and which of them may be trusted.

Whoever asks for a run must not supply its policy. Trusted is /etc/byteor/byteor.toml when only root can write
it, and a byteor.toml whose byteor.toml.dsse the pinned key set signed. Any other file defines dev
environments; its staging and prod tables serve checks and dry runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from byteor.atomic import write_file
from byteor.governance.canonical import MAX_SAFE_INTEGER, sha256_of, unix_of
from byteor.governance.dsse import ENVIRONMENTS, add_signatures, open_envelope, seal, valid_signers
from byteor.governance.environment import (
    BUILT_IN_DEV,
    Environment,
    EnvironmentFileError,
    environments_of,
)
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.private_key import Signer
from byteor.governance.regular_file import read_regular
from byteor.spec.nearest import did_you_mean

FILE_NAME: Final = "byteor.toml"
SYSTEM_FILE: Final = Path("/etc/byteor", FILE_NAME)
MAX_BYTES: Final = 1 << 20


class SignedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of byteor.toml.dsse: which bytes, which version of them, until when."""

    expires_at: str
    sha256: str
    v: int
    version: int


class Trust(msgspec.Struct, frozen=True):
    """What makes a file count: the pinned keys, and the highest version of a signed file seen so far."""

    keys: KeySet
    seen_version: int = 0


class Environments(msgspec.Struct, frozen=True):
    """All environments in order of precedence. ``files``: what was read; ``shadowed``: names that lost."""

    found: tuple[Environment, ...]
    files: tuple[str, ...]
    shadowed: tuple[str, ...] = ()
    signed_version: int = 0

    def get(self, name: str) -> Environment:
        """The environment of this table name. Raises ``E_ENVIRONMENT_UNKNOWN`` (exit 7)."""
        for environment in self.found:
            if environment.name == name:
                return environment
        names = [environment.name for environment in self.found]
        hint = did_you_mean(name, names, f"there is {', '.join(names)}")
        raise refused("E_ENVIRONMENT_UNKNOWN", f"there is no environment `{name}`", hint=hint)


def load_environments(
    *,
    given: Path | None = None,
    start: Path | None = None,
    system: Path = SYSTEM_FILE,
    user: Path | None = None,
    trust: Trust | None = None,
    now: int = 0,
) -> Environments:
    """The environments that count for this process.

    ``given`` (--environments) is read alone. Otherwise ``system``, then the first byteor.toml from ``start``
    upward, then ``user``; a name that a file before has defined is passed over, and so is a name whose id one
    before has: nobody puts his own prod in front of the host's. Without any file there is the built-in dev.
    """
    if given is not None:
        found, version = read_file(given, trust=trust, now=now)
        return Environments(found, (str(given),), signed_version=version)
    paths = [path for path in (system, _upward(start), user) if path is not None and path.is_file()]
    found_all: list[Environment] = []
    shadowed: list[str] = []
    highest = 0
    for path in paths:
        found, version = read_file(path, trust=trust, now=now, system=path == system)
        highest = max(highest, version)
        taken = {environment.name for environment in found_all}
        ids = {environment.id for environment in found_all}
        for environment in found:
            if environment.name in taken or environment.id in ids:
                shadowed.append(f"{environment.name} of {path}")
            else:
                found_all.append(environment)
    if not found_all:
        found_all.append(BUILT_IN_DEV)
    return Environments(tuple(found_all), tuple(map(str, paths)), tuple(shadowed), highest)


def _upward(start: Path | None) -> Path | None:
    if start is None:
        return None
    folders = (start, *start.parents)
    return next((folder / FILE_NAME for folder in folders if (folder / FILE_NAME).is_file()), None)


def user_file() -> Path:
    """byteor.toml in the user's configuration folder."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base, "byteor", FILE_NAME)


def read_file(
    path: Path, *, trust: Trust | None, now: int, system: bool = False
) -> tuple[tuple[Environment, ...], int]:
    """The environments in ``path`` and the version of its signature (0: not signed).

    Raises ``E_ENVIRONMENT_FILE`` (no TOML, or what ``environments_of`` refuses), ``E_ENVIRONMENTS_SIGNATURE``
    and ``E_ENVIRONMENTS_ROLLBACK`` when a signature is there that does not hold.
    """
    import tomllib

    data, root_owned = _read(path)
    trusted = system and root_owned and _only_root_writes(path.parent)
    version = 0
    signature = path.with_name(path.name + ".dsse")
    if trust is not None and signature.is_file():
        version = check_signature(data, _read(signature)[0], trust, now).version
        trusted = True
    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvironmentFileError(str(path), [("", f"no TOML: {error}", "mend the line it names")]) from None
    return environments_of(document, source=str(path), trusted=trusted), version


def _read(path: Path) -> tuple[bytes, bool]:
    """The bytes of a regular file, and whether only root can write it: of the same open file."""
    try:
        data, status = read_regular(path, MAX_BYTES)
    except OSError as error:
        problem = ("", f"cannot be read: {error.strerror}", "check the path")
        raise EnvironmentFileError(str(path), [problem]) from None
    except ValueError as error:
        raise EnvironmentFileError(str(path), [("", str(error), None)]) from None
    return data, status.st_uid == 0 and not status.st_mode & 0o022


def _only_root_writes(folder: Path) -> bool:
    """Whether nobody but root can put another file in place of one in ``folder``."""
    status = folder.stat()
    return status.st_uid == 0 and not status.st_mode & 0o022


def check_signature(data: bytes, envelope: bytes, trust: Trust, now: int) -> SignedFile:
    """What byteor.toml.dsse says about ``data``: signed by the pinned threshold, no older than seen.

    Raises ``E_ENVIRONMENTS_SIGNATURE`` or ``E_ENVIRONMENTS_ROLLBACK``. The version is there because an old
    file, signed in its day, may allow what is no longer allowed.
    """
    try:
        signed, opened = open_envelope(envelope, ENVIRONMENTS, SignedFile)
        ends = unix_of(signed.expires_at)
    except ValueError as error:
        raise refused("E_ENVIRONMENTS_SIGNATURE", f"no byteor.toml.dsse: {error}") from None
    people = {key.raw for key in valid_signers(opened, trust.keys, now) if key.is_person}
    if len(people) < trust.keys.threshold:
        message = (
            f"byteor.toml.dsse carries {len(people)} of {trust.keys.threshold} signatures of the pinned keys"
        )
        raise refused("E_ENVIRONMENTS_SIGNATURE", message)
    if signed.v != 1 or signed.sha256 != sha256_of(data) or not 1 <= signed.version <= MAX_SAFE_INTEGER:
        raise refused("E_ENVIRONMENTS_SIGNATURE", "byteor.toml is not the file that was signed")
    if now >= ends:
        raise refused(
            "E_ENVIRONMENTS_SIGNATURE", f"the signature of byteor.toml expired at {signed.expires_at}"
        )
    if signed.version < trust.seen_version:
        message = f"byteor.toml is version {signed.version}; version {trust.seen_version} was seen before"
        raise refused("E_ENVIRONMENTS_ROLLBACK", message)
    return signed


def sign_file(path: Path, *, version: int, expires_at: str, signers: Sequence[tuple[str, Signer]]) -> Path:
    """Write byteor.toml.dsse beside ``path``, signed by each (key id, signer); its path.

    One that is there for the same bytes and version is added to, with its own end; any other is replaced.
    """
    payload = SignedFile(expires_at=expires_at, sha256=sha256_of(_read(path)[0]), v=1, version=version)
    signature = path.with_name(path.name + ".dsse")
    fresh = seal(ENVIRONMENTS, payload, list(signers))
    if signature.exists():
        fresh = _added(_read(signature)[0], payload, signers) or fresh
    write_file(signature, fresh, mode=0o644)
    return signature


def _added(old: bytes, payload: SignedFile, signers: Sequence[tuple[str, Signer]]) -> bytes | None:
    """``old`` with more signatures if it is over the same file and version, else ``None``."""
    try:
        before, envelope = open_envelope(old, ENVIRONMENTS, SignedFile)
    except ValueError:
        return None
    if (before.sha256, before.version) != (payload.sha256, payload.version):
        return None
    return add_signatures(envelope, signers)
