"""Freezing an environment and lifting that, as an operator does it: with audit rows and the gate cell.

$BYTEOR_STATE_DIR/freezes/<digest of the environment's id>/   0700
  freeze.json                the freeze; while it is there the environment is frozen
  <key>.lift.dsse            who asked to lift it
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from byteor.actions.gate import environment_gate, set_gate
from byteor.acts.approval_folder import MAX_BYTES
from byteor.acts.approvals import file_stem
from byteor.acts.frozen import FREEZE, folder_of, freeze_of
from byteor.acts.log import open_log
from byteor.atomic import private_folder, sync_folder, write_file
from byteor.errors import ByteorError
from byteor.governance.canonical import canonical_json, time_of
from byteor.governance.environment import Environment
from byteor.governance.errors import refused
from byteor.governance.freeze import Freeze
from byteor.governance.keyset import KeySet
from byteor.governance.lift import lifted_by, seal_lift
from byteor.governance.private_key import Signer
from byteor.governance.regular_file import read_regular
from byteor.state import state_dir
from byteor_store import Event, current_actor

LIFT = ".lift.dsse"


class Lifting(msgspec.Struct, frozen=True):
    """``lifted``: whether it is over. ``lifters``: the people who asked so far (principals)."""

    lifted: bool
    lifters: tuple[str, ...]
    audit_seq: int


def freeze(environment: Environment, reason: str, *, now: int) -> int:
    """Freeze an environment; the audit row's seq. Raises ``E_FREEZE`` when it is frozen already.

    First the gate, then the file, last the row: a freeze must take effect also where nothing can be recorded,
    and where the gate is damaged (``E_GATE``, told at the end) at least nothing starts any more.
    """
    check_free(environment)
    document = canonical_json(Freeze(environment.id, current_actor(), time_of(now), reason))
    gate, damaged = environment_gate(state_dir(), environment.id), None
    try:
        set_gate(gate, closed=True)
    except ByteorError as error:
        damaged = error
    folder = private_folder(private_folder(state_dir() / "freezes") / folder_of(environment.id).name)
    write_file(folder / FREEZE, document)
    seq = _record("environment_frozen", environment, None, {"reason": reason})
    if damaged is not None:
        raise damaged
    return seq


def check_free(environment: Environment) -> None:
    """Raise ``E_FREEZE`` when it is frozen already."""
    if freeze_of(environment.id) is not None:
        raise refused("E_FREEZE", f"{environment.name} is frozen already", hint="byteor unfreeze lifts it")


def unfreeze(environment: Environment, kid: str, signer: Signer, *, keys: KeySet, now: int) -> Lifting:
    """Ask to lift the freeze, signed with ``kid``; the second person's asking lifts it.

    The row is durable before the gate opens. Raises ``E_FREEZE`` when there is none or the same person asks
    again, ``E_UNKNOWN_KEY`` for a key that is no usable person's.
    """
    lift, after = asked_by(environment, kid, signer, keys=keys, now=now)
    folder = folder_of(environment.id)
    write_file(folder / f"{file_stem(kid)}{LIFT}", lift)
    seq = _record("freeze_lift_asked", environment, kid, {"lifters": list(after)})
    if len(after) < 2:
        return Lifting(False, after, seq)
    seq = _record("environment_unfrozen", environment, kid, {"lifters": list(after)})
    (folder / FREEZE).unlink()
    sync_folder(folder)
    shutil.rmtree(folder)
    set_gate(environment_gate(state_dir(), environment.id), closed=False)
    return Lifting(True, after, seq)


def asked_by(
    environment: Environment, kid: str, signer: Signer, *, keys: KeySet, now: int
) -> tuple[bytes, tuple[str, ...]]:
    """The signed wish to lift the freeze, and who has asked when it counts; nothing is kept."""
    current = freeze_of(environment.id)
    if current is None:
        raise refused("E_FREEZE", f"{environment.name} is not frozen", hint="byteor env show")
    folder = folder_of(environment.id)
    before = _lifters(folder, current, keys, now)
    lift = seal_lift(current, kid, keys, signer, now)
    after = lifted_by([*_lifts(folder), lift], current, keys, now)
    if len(after) == len(before) < 2:
        raise refused("E_FREEZE", f"{before[0]} asked already; a second person must")
    return lift, after


def _lifts(folder: Path) -> list[bytes]:
    return [read_regular(path, MAX_BYTES)[0] for path in sorted(folder.glob(f"*{LIFT}"))]


def _lifters(folder: Path, current: Freeze, keys: KeySet, now: int) -> tuple[str, ...]:
    return lifted_by(_lifts(folder), current, keys, now)


def _record(action: str, environment: Environment, kid: str | None, body: dict[str, object]) -> int:
    event = Event(action=action, actor=current_actor(), kid=kid, env=environment.id, body=body)
    with open_log(environment.org_id, environment.project_id) as log:
        return log.append(event, seal=True)
