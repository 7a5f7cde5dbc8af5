"""The loop of every action stage: look at the gates, note, act, note, forward the input unchanged."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from byteor.actions.attempt import Doer, Outcome, perform
from byteor.actions.effects import Effects, effects_here, ungoverned
from byteor.actions.gate import Gate
from byteor.actions.ledger import Act, Ledger
from byteor.errors import Exit
from byteor.runtime.stages.api import Message, StageError
from byteor.runtime.stages.context import Context

CHUNK = 32  # acts that share a wait for the disk; as many may be noted and not done when the power fails
LOOK_S = 0.05  # how often a held stage looks whether it may go on


class Acting:
    """A batch stage that does ``doer``'s act for each message. ``check`` judges the allow-list at start."""

    def __init__(self, doer: Doer, context: Context, check: Callable[[Effects], str | None]) -> None:
        self._doer = doer
        self._context = context
        self._check = check
        self._effects: Effects | None = None
        self._ledger: Ledger | None = None
        self._hold: Gate | None = None
        self._stop: Gate | None = None

    def setup(self) -> None:
        """Read what was decided. Raises ``E_ACTION_UNGOVERNED``, ``E_ACTION_NOT_LISTED``, ``E_GATE``."""
        effects = effects_here()
        if effects is None:
            if self._context.live:
                raise ungoverned("no decision was handed to this stage")
            return  # a replay outside of any environment: forwards, and does nothing else
        if self._doer.capability not in effects.granted:
            raise ungoverned(f"{self._doer.capability} was not granted to this run")
        why = self._check(effects)
        if why is not None:
            raise not_listed(why)
        self._effects = effects
        self._ledger = Ledger(effects, self._context.name, self._doer.capability, self._doer.target)
        self._hold = Gate(Path(effects.hold_gate))
        self._stop = Gate(Path(effects.stop_gate)) if effects.stop_gate else None

    def teardown(self) -> None:
        self._doer.close()
        for part in (self._ledger, self._hold, self._stop):
            if part is not None:
                part.close()

    def __call__(self, messages: Sequence[Message]) -> Sequence[Message]:
        for start in range(0, len(messages), CHUNK):
            self._do(messages[start : start + CHUNK], start)
        return messages

    def _do(self, messages: Sequence[Message], start: int) -> None:
        effects, ledger = self._effects, self._ledger
        if effects is None or ledger is None:
            return
        copies = [bytes(message) for message in messages]  # a slot is only lent
        acts = [Act(f"sha256:{hashlib.sha256(copy).hexdigest()}", len(copy)) for copy in copies]
        if effects.mode == "dry_run" or not (self._context.live or effects.replay):
            ledger.would(acts)
            return
        self._pass_gates(effects, ledger)
        intended = ledger.intend(acts)
        outcomes: list[Outcome] = []
        try:
            for act, copy in zip(acts, copies, strict=True):
                self._pass_gates(effects, ledger)
                outcomes.append(perform(self._doer, copy, act.idempotency_key, pause=self._pause))
                if outcomes[-1].result != "done":
                    break
        finally:
            left = len(acts) - len(outcomes)
            rest = [Outcome("not_done", "the stage stopped before", 0, 0)] * left
            ledger.settle(acts, intended, outcomes + rest)
        if outcomes[-1].result != "done":
            raise self._failed(outcomes[-1], start + len(outcomes) - 1)

    def _pass_gates(self, effects: Effects, ledger: Ledger) -> None:
        """Return when acting is allowed now; hold while the environment is frozen, whatever that takes.

        Neither a batch of slow acts nor a hold is a stage that hangs.
        """
        self._context.beat()
        self._check_approval(effects)
        if self._hold is None or not self._hold.closed:
            return
        ledger.held("effects_held")
        while self._hold.closed:
            time.sleep(LOOK_S)
            self._context.beat()
            self._check_approval(effects)
            if self._context.stopping:
                raise _refused("E_ACTION_HELD", "the run stopped while its environment was frozen")
        ledger.held("effects_resumed")

    def _check_approval(self, effects: Effects) -> None:
        if self._stop is not None and self._stop.closed:
            raise _refused("E_ACTION_REVOKED", f"the approval {effects.approval_id} was revoked")
        if effects.ends_at is not None and time.time() >= effects.ends_at:
            raise _refused("E_ACTION_EXPIRED", f"the approval {effects.approval_id} has expired")

    def _pause(self, seconds: float) -> None:
        """Between attempts: a freeze or revocation must not wait for the last of them."""
        assert self._effects is not None
        assert self._ledger is not None
        self._context.wait(seconds)
        self._pass_gates(self._effects, self._ledger)

    def _failed(self, outcome: Outcome, index: int) -> StageError:
        surely = "did not happen" if outcome.result == "failed" else "may or may not have happened"
        return StageError(
            "E_ACTION_FAILED",
            f"{self._doer.capability}: {outcome.detail} ({outcome.attempts} attempts; it {surely})",
            hint="mend the other side, then run on from this message; its Idempotency-Key is the same",
            index=index,
        )


def not_listed(why: str) -> StageError:
    hint = "list it under [environments.NAME.actions] in byteor.toml"
    return StageError("E_ACTION_NOT_LISTED", why, hint=hint, exit=Exit.REFUSED)


def _refused(code: str, message: str) -> StageError:
    return StageError(code, message, hint="byteor approval request asks for a new one", exit=Exit.REFUSED)
