"""Keeping secrets out of a bundle: what is known to be harmless stays, everything else becomes a digest.

A digest is HMAC-SHA-256 under a salt that never leaves the host: two bundles of one host can be compared, and
nobody who has only the bundle can try values.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

HARMLESS_VARIABLES = frozenset(
    {"LANG", "LANGUAGE", "TZ", "TERM", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "NO_COLOR", "OMP_NUM_THREADS"}
    | {f"LC_{name}" for name in ("ALL", "CTYPE", "NUMERIC", "TIME", "COLLATE", "MONETARY", "MESSAGES")}
    | {f"BYTEOR_{name}" for name in ("KERNEL", "WAIT", "DRAIN_TIMEOUT_S", "ENV")}
)
# Options whose value says how to run and never whom to be.
HARMLESS_OPTIONS = frozenset(
    {
        "--wait",
        "--batch",
        "--for",
        "--max-messages",
        "--drain-timeout",
        "--stage-timeout",
        "--stage-memory",
        "--env",
        "--name",
        "--capture",
    }
    | {"--capture-egress", "--executor", "--json", "--dry-run", "--strict"}
)
HARMLESS_SETTINGS = frozenset(
    {
        "kernel",
        "wait",
        "drain_timeout_s",
        "stage_timeout_s",
        "capture",
        "capture_egress",
        "capture_bytes",
        "capture_age_s",
    }
    | {"posture", "replay", "side_effects", "n", "group"}
)
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]{0,64}")
_SPEC_FILE = re.compile(r"(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+\.kv")
_VERB = re.compile(r"[a-z][a-z-]{0,31}")


class Redactor:
    """Replaces values under one host's ``salt`` (32 bytes)."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def digest(self, value: str) -> str:
        """``hmac-sha256:<16 hex digits>`` of ``value``."""
        mac = hmac.new(self._salt, value.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return f"hmac-sha256:{mac.hexdigest()[:16]}"

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Harmless variables as they are, the others as digests, by name."""
        return {
            name: value if name in HARMLESS_VARIABLES and _PLAIN.fullmatch(value) else self.digest(value)
            for name, value in sorted(variables.items())
            if name.isprintable()
        }

    def arguments(self, words: Sequence[str]) -> list[str]:
        """A command line: verbs, option names and spec files stay, other values become digests."""
        shown: list[str] = []
        option = ""
        verbs = 2  # a verb, or a group and its verb, behind the program
        for index, word in enumerate(words):
            if index == 0:
                shown.append(word.rsplit("/", 1)[-1])
            elif re.fullmatch(r"--?[a-z][a-z-]*", word):
                option = word
                shown.append(word)
            elif re.match(r"--[a-z][a-z-]*=", word):
                name, _, value = word.partition("=")
                shown.append(f"{name}={self._value(name, value)}")
                option = ""
            else:
                harmless = _SPEC_FILE.fullmatch(word) or (not option and verbs and _VERB.fullmatch(word))
                shown.append(word if harmless and not option else self._value(option, word))
                verbs -= not option
                option = ""
        return shown

    def _value(self, option: str, value: str) -> str:
        if option in HARMLESS_OPTIONS and _PLAIN.fullmatch(value):
            return value
        if option in ("--source", "--sink"):
            return self.endpoint(value)
        return self.digest(value)

    def endpoint(self, text: str) -> str:
        """``kind:`` of a source or sink and the digest of what follows; counts and null: need none."""
        kind, colon, argument = text.partition(":")
        if not colon or not re.fullmatch(r"(?:[a-z0-9_]+=)?[a-z][a-z0-9_]*", kind):
            return self.digest(text)
        if not argument or (kind == "generate" and re.fullmatch(r"[0-9,]+", argument)):
            return text
        return f"{kind}:{self.digest(argument)}"

    def settings_file(self, text: str) -> str:
        """``key=value`` lines of a byteor.toml, values that are not known to be harmless as digests."""
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError):
            return f"unreadable={self.digest(text)}\n"
        return "".join(f"{line}\n" for line in self._lines("", document))

    def _lines(self, prefix: str, value: Any) -> list[str]:
        if isinstance(value, dict):
            return [line for key, item in value.items() for line in self._lines(f"{prefix}{key}.", item)]
        if isinstance(value, list):
            return [
                line for index, item in enumerate(value) for line in self._lines(f"{prefix}{index}.", item)
            ]
        path = prefix.removesuffix(".")
        name = next((part for part in reversed(path.split(".")) if not part.isdigit()), "")
        text = str(value)
        shown = text if name in HARMLESS_SETTINGS and _PLAIN.fullmatch(text) else self.digest(text)
        return [f"{path}={shown}"]
