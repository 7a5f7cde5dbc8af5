"""The armed act: what must hold before a commit runs. A function of values; the dialog only shows it.

An act is bound to the identity and the revision of what was on the screen when its key was pressed. Four
random characters, new each time, must be typed; it dies after thirty seconds, and when its target moved.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

import msgspec

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without O, 0, I and 1
CODE_LENGTH = 4
LIFE_S = 30.0


class Target(msgspec.Struct, frozen=True):
    """What an act is about: kind, id, and the revision that was seen. Never a row."""

    kind: str
    id: str
    revision: str

    @property
    def short(self) -> str:
        """The revision as people can hold two beside each other; of a long one a digest."""
        if len(self.revision) <= 12 and self.revision.isalnum():
            return self.revision
        return hashlib.sha256(self.revision.encode()).hexdigest()[:7]


class Armed(msgspec.Struct, frozen=True):
    """An act that waits for its code. ``argv`` is what will run; ``facts`` say what it does, in words.

    ``name`` is the target as people call it; ``seen_unix_ns`` when it was captured.
    ``needs_secret`` asks for the key's passphrase after the code. ``shape`` is ``prod`` where the frame is
    drawn double.
    """

    act: str
    title: str
    target: Target
    argv: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    code: str
    born_s: float
    verb: str
    needs_secret: bool = False
    shape: str = ""
    name: str = ""
    seen_unix_ns: int = 0


class Outcome(StrEnum):
    """What a press of Enter comes to. Only ``COMMIT`` runs anything."""

    NOTHING = "nothing typed"
    WRONG = "that is not the code"
    MOVED = "it has changed meanwhile: look again"
    GONE = "it is no longer there"
    LATE = "the time to sign is over"
    COMMIT = "commit"


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


_SEAL = object()


class Commit:
    """A command line that somebody armed and signed off: only ``commit`` makes one, and it runs once."""

    __slots__ = ("_used", "argv", "secret")

    def __init__(self, seal: object, argv: tuple[str, ...], secret: str) -> None:
        if seal is not _SEAL:
            raise TypeError("only byteor_tui.model.arming.commit makes a Commit")
        self.argv = argv
        self.secret = secret
        self._used = False

    def take(self) -> tuple[str, ...]:
        """The command line, once. Raises ``RuntimeError`` the second time."""
        if self._used:
            raise RuntimeError("a commit runs once")
        self._used = True
        return self.argv


def judge(armed: Armed, typed: str, current: Target | None, now_s: float) -> Outcome:
    """Whether ``typed`` commits ``armed`` now, given the target as it is now (None: it went)."""
    if not 0 <= now_s - armed.born_s <= LIFE_S:
        return Outcome.LATE
    if current is None or (current.kind, current.id) != (armed.target.kind, armed.target.id):
        return Outcome.GONE
    if current.revision != armed.target.revision:
        return Outcome.MOVED
    if not typed:
        return Outcome.NOTHING
    return Outcome.COMMIT if typed.upper() == armed.code else Outcome.WRONG


def commit(
    armed: Armed, typed: str, current: Target | None, now_s: float, secret: str = ""
) -> Commit | Outcome:
    """The right to run ``armed``, or why there is none."""
    found = judge(armed, typed, current, now_s)
    return Commit(_SEAL, armed.argv, secret) if found is Outcome.COMMIT else found
