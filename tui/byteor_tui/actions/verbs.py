"""Run a verb of the command line the way an operator would, and hand back its document. No Textual here.

The console has no private way to act: what the log pane shows is what was run, in a process of its own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from byteor.errors import ByteorError, Exit
from byteor_tui.model.arming import Commit

TIMEOUT_S = 120.0  # a bundle of a big run on a busy machine; a verb that is cut off leaves nothing


class VerbResult(msgspec.Struct, frozen=True):
    """``document`` is what ``--json`` printed; for a failure it is the error document."""

    argv: tuple[str, ...]
    exit: int
    document: dict[str, object]

    @property
    def ok(self) -> bool:
        return self.exit == Exit.OK


def command_line(argv: Sequence[str]) -> str:
    """What a person would type, quoted for a shell."""
    return shlex.join(["byteor", *argv])


def with_option(argv: Sequence[str], option: str) -> tuple[str, ...]:
    """``argv`` with one option more; behind ``--`` it would be a word."""
    at = argv.index("--") if "--" in argv else len(argv)
    return (*argv[:at], option, *argv[at:])


def commits(argv: Sequence[str]) -> bool:
    """Whether a command line changes the world: such a one runs only with a ``Commit``."""
    if tuple(argv[:2]) in {("approval", "approve"), ("approval", "deny"), ("approval", "revoke")}:
        return True
    if tuple(argv[:1]) == ("replay",):
        return "--mode=execute" in argv or "execute" in argv
    return tuple(argv[:1]) in {("freeze",), ("unfreeze",), ("run",)}


def run_verb(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> VerbResult:
    """Run ``byteor ARGV --json`` and read its document.

    Raises ``ByteorError`` (``E_VERB``, ``E_VERB_TIMEOUT``) when there is no document to read, and
    ``PermissionError`` for a command line that commits: those go through ``run_commit``.
    """
    if commits(argv):
        raise PermissionError(f"{command_line(argv)} commits and was not armed")
    return _run(argv, timeout_s)


def run_commit(armed: Commit, timeout_s: float = TIMEOUT_S) -> VerbResult:
    """Run what the armed dialog let through, once. A passphrase goes through a pipe, never an argument."""
    argv = armed.take()
    if not armed.secret:
        return _run(argv, timeout_s)
    reader, writer = os.pipe()
    try:
        os.write(writer, armed.secret.encode() + b"\n")
        os.close(writer)
        return _run(with_option(argv, f"--passphrase-fd={reader}"), timeout_s, keep=(reader,))
    finally:
        os.close(reader)


def _run(argv: Sequence[str], timeout_s: float, keep: tuple[int, ...] = ()) -> VerbResult:
    command = [sys.executable, "-m", "byteor", *with_option(argv, "--json")]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            check=False,
            pass_fds=keep,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{command_line(argv)} did not end within {timeout_s:.0f} s"
        raise ByteorError("E_VERB_TIMEOUT", message, exit=Exit.TIMEOUT) from error
    except OSError as error:
        raise ByteorError("E_VERB", f"cannot start byteor: {error.strerror}") from error
    try:
        document = msgspec.json.decode(done.stdout, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit {done.returncode} and no document"
        raise ByteorError("E_VERB", f"{command_line(argv)}: {reason}", hint="run it in a shell") from error
    return VerbResult(tuple(argv), done.returncode, document)
