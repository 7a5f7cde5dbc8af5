"""What the console was started with: arguments first, then the environment, then console.toml.

[keys]                      # by the ids of `byteor-console keys`
snapshot = "S"
down = ["j", "down"]
[theme]
name = "byteor-light"
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from byteor.errors import ByteorError, Exit, Where
from byteor_tui.actions.registry import ACTIONS, BY_ID, Danger, clashes, key_name, remapped
from byteor_tui.model.session import Session

FILE = "console.toml"
MAX_BYTES = 1 << 16
THEME_VARIABLE = "BYTEOR_THEME"
KID_VARIABLE, KEY_FILE_VARIABLE = "BYTEOR_KID", "BYTEOR_KEY_FILE"
THEMES = ("byteor-dark", "byteor-light", "byteor-ansi")


def session_of(given: argparse.Namespace, environ: Mapping[str, str]) -> Session:
    """The session of these arguments. Raises ``E_CONSOLE_CONFIG`` (exit 3) for a file or variable that is
    wrong, ``E_USAGE`` for half a key.
    """
    _check_theme(environ.get(THEME_VARIABLE, ""))
    path = given.config or config_path(environ)
    keys, theme = read_config(path) if given.config or path.exists() else ({}, "")
    identities, half = _identity(given, environ)
    return Session(
        env=given.env or "",
        identities=identities,
        spec=given.spec,
        read_only=given.read_only,
        record=given.record,
        keeps=not given.no_record,
        keys=keys,
        theme=theme,
        stages=tuple(given.stages or ()),
        half=half,
    )


def check_environment(name: str) -> None:
    """A name nobody defined is said before a screen bears it. Raises ``E_ENVIRONMENT_UNKNOWN`` (exit 7), and
    what is wrong with a byteor.toml.
    """
    if not name:
        return
    from byteor.governance.environment_file import load_environments, user_file
    from byteor.governance.environment_trust import environment_trust

    load_environments(
        start=Path.cwd(), user=user_file(), trust=environment_trust(), now=int(time.time())
    ).get(name)


def _identity(
    given: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[tuple[tuple[str, str], ...], str]:
    """(The key as a pair, what is missing of one). Half of it out of the environment is told and keeps nobody
    from watching; half of it as an option is a mistake. Raises ``E_USAGE`` for that.
    """
    kid = given.kid or environ.get(KID_VARIABLE, "")
    key_file = given.key_file or environ.get(KEY_FILE_VARIABLE, "")
    if kid and key_file:
        return ((kid, key_file),), ""
    if given.kid or given.key_file:
        one, other = ("--kid", "--key-file") if kid else ("--key-file", "--kid")
        hint = f"give both, or set {KID_VARIABLE} and {KEY_FILE_VARIABLE}"
        raise ByteorError("E_USAGE", f"{one} without {other} names no key", hint=hint, exit=Exit.USAGE)
    if not kid and not key_file:
        return (), ""
    one, other = (KID_VARIABLE, KEY_FILE_VARIABLE) if kid else (KEY_FILE_VARIABLE, KID_VARIABLE)
    return (), f"{one} is set and {other} is not: nothing can be signed here; set both, or unset {one}"


def _check_theme(name: str) -> None:
    if name and name not in THEMES:
        near = get_close_matches(name, THEMES, n=1)
        raise ByteorError(
            "E_CONSOLE_CONFIG",
            f"{THEME_VARIABLE} is {name!r}, which is no theme: {', '.join(THEMES)}",
            hint=f"did you mean {near[0]}?" if near else f"unset {THEME_VARIABLE}, or give it one of these",
            where=Where(key=THEME_VARIABLE),
            exit=Exit.INVALID,
        )


def config_path(environ: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/byteor/console.toml``, else below ``~/.config``."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/"), ".config"))
    return Path(base, "byteor", FILE)


def read_config(path: Path) -> tuple[dict[str, tuple[str, ...]], str]:
    """(keys by act, theme's name). Raises ``E_CONSOLE_CONFIG`` with file, key and the nearest known name."""
    import tomllib

    try:
        if path.stat().st_size > MAX_BYTES:
            raise _wrong(path, "", "the file is over 64 KiB long")
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise _wrong(path, "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, "", str(error)) from None
    _known(path, "", document, ("keys", "theme"))
    theme = _table(path, document, "theme")
    _known(path, "theme.", theme, ("name",))
    name = theme.get("name", "")
    if name and name not in THEMES:
        raise _wrong(path, "theme.name", f"{name!r} is no theme: {', '.join(THEMES)}")
    return _keys(path, _table(path, document, "keys")), str(name)


def _keys(path: Path, table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    _known(path, "keys.", table, tuple(BY_ID))
    found: dict[str, tuple[str, ...]] = {}
    for id, value in table.items():
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
            raise _wrong(path, f"keys.{id}", "a key is a text, or a list of texts")
        if BY_ID[id].danger is Danger.COMMITS and any(not (one.isalpha() and one.isupper()) for one in given):
            raise _wrong(path, f"keys.{id}", "a key that commits is an upper-case letter")
        found[id] = tuple(key_name(one) for one in given)
    problems = clashes(remapped(found, ACTIONS))
    if problems:
        raise _wrong(path, "keys", problems[0])
    return found


def _table(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise _wrong(path, name, f"[{name}] is a table")
    return table


def _known(path: Path, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "byteor-console keys lists them"
            raise _wrong(path, prefix + name, f"there is no {prefix}{name}", hint)


def _wrong(path: Path, key: str, message: str, hint: str = "docs/console.md shows one") -> ByteorError:
    where = Where(file=str(path), key=key or None)
    return ByteorError("E_CONSOLE_CONFIG", message, hint=hint, where=where, exit=Exit.INVALID)
