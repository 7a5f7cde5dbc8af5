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

TIMEOUT_S = 30.0


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


def run_verb(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> VerbResult:
    """Run ``byteor ARGV --json`` and read its document.

    Raises ``ByteorError`` (``E_VERB``, ``E_VERB_TIMEOUT``) when there is no document to read.
    """
    command = [sys.executable, "-m", "byteor", *argv, "--json"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{command_line(argv)} did not end within {timeout_s:.0f} s"
        raise ByteorError("E_VERB_TIMEOUT", message, exit=Exit.TIMEOUT) from error
    except OSError as error:
        raise ByteorError("E_VERB", f"cannot start byteor: {error.strerror}") from error
    try:
        document = msgspec.json.decode(done.stdout, type=dict[str, object])
    except msgspec.DecodeError as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit {done.returncode} and no document"
        raise ByteorError("E_VERB", f"{command_line(argv)}: {reason}", hint="run it in a shell") from error
    return VerbResult(tuple(argv), done.returncode, document)
