"""Finding and reading byteor.toml files: which environments there are, and which of them may be trusted.

Whoever asks for a run must not supply its policy. Trusted is /etc/byteor/byteor.toml when only root can write
it, and a byteor.toml whose byteor.toml.dsse the pinned key set signed. Any other file defines dev
environments; its staging and prod tables serve checks and dry runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from byteor.governance.environment import (
    BUILT_IN_DEV,
    Environment,
    EnvironmentFileError,
    environments_of,
)
from byteor.governance.errors import refused
from byteor.governance.owned_file import only_root_writes, read_owned
from byteor.spec.nearest import did_you_mean

if TYPE_CHECKING:
    from byteor.governance.environment_signature import Trust

FILE_NAME: Final = "byteor.toml"
SYSTEM_FILE: Final = Path("/etc/byteor", FILE_NAME)


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
    upward, then ``user``, but what is trusted before what is not; a name that a file before has defined is
    passed over, and so is a name whose id one before has: nobody puts his own prod in front of the host's or
    of a signed one. Without any file there is the built-in dev.
    """
    if given is not None:
        found, version = read_file(given, trust=trust, now=now)
        return Environments(found, (str(given),), signed_version=version)
    paths = [path for path in (system, _upward(start), user) if path is not None and path.is_file()]
    found_all: list[Environment] = []
    shadowed: list[str] = []
    read: list[Environment] = []
    highest = 0
    for path in paths:
        found, version = read_file(path, trust=trust, now=now, system=path == system)
        highest = max(highest, version)
        read.extend(found)
    for environment in sorted(read, key=lambda one: not one.trusted):
        if any(environment.name == one.name or environment.id == one.id for one in found_all):
            shadowed.append(f"{environment.name} of {environment.source}")
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

    data, root_owned = read_owned(path)
    trusted = system and root_owned and only_root_writes(path.parent)
    version = 0
    signature = path.with_name(path.name + ".dsse")
    if trust is not None and signature.is_file():
        from byteor.governance.environment_signature import check_signature

        version = check_signature(data, read_owned(signature)[0], trust, now).version
        trusted = True
    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvironmentFileError(str(path), [("", f"no TOML: {error}", "mend the line it names")]) from None
    return environments_of(document, source=str(path), trusted=trusted), version
