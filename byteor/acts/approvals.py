"""Approvals as an operator handles them: requests and answers as files, each step with its audit row.

$BYTEOR_STATE_DIR/approvals/<request id>/   0700
  request.json                              the request
  requester.dsse                            its requester's signature, where there is one
  <key>.cred, <key>.approval.dsse           a yes: the credential and its companion
  <key>.denial.dsse                         a no

The same files travel by mail or on a stick. Where a request stands is worked out from them, never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor.actions.gate import approval_gate, set_gate
from byteor.acts.approval_folder import MAX_BYTES, folder_of
from byteor.acts.emergency import open_reviews
from byteor.acts.log import open_log
from byteor.atomic import check_private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.governance.answers import Account, Answer, account_of, check_answer
from byteor.governance.break_glass import check_reviews
from byteor.governance.canonical import is_uuid
from byteor.governance.credential import MAX_CREDENTIAL_BYTES
from byteor.governance.environment import Environment
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.regular_file import read_regular
from byteor.governance.request import Request, read_request
from byteor.governance.requester import check_asker
from byteor.governance.revocation import RevocationList
from byteor.governance.trust import learn_revocations, seen_revocations
from byteor.state import state_dir
from byteor_store import AuditLog, Event, Row, audit_path, current_actor

REQUEST, ASKER, CREDENTIAL, YES, NO = (
    "request.json", "requester.dsse", ".cred", ".approval.dsse", ".denial.dsse",
)  # fmt: skip
ASKED = "approval_requested"


class Kept(msgspec.Struct, frozen=True):
    """A request with what answered it so far. ``asker``: the requester's own signature."""

    request: Request
    answers: Mapping[str, Answer]
    asker: bytes | None = None


def record(
    action: str, request: Request, *, kid: str | None = None, body: Mapping[str, Any] | None = None
) -> int:
    """Append ``action`` about ``request`` to the audit log; durable on return. Its seq."""
    event = Event(
        action=action,
        actor=current_actor(),
        kid=kid,
        env=request.environment_id,
        spec_hash=request.spec_hash,
        approval_id=request.request_id,
        body={"request_sha256": request.digest, "action": request.action, **(body or {})},
    )
    with open_log(request.org_id, request.project_id) as log:
        return log.append(event, seal=True)


def host_audience(environment: Environment) -> str:
    """The origin of this host's audit log: an approval that names it is worth nothing on another host.

    A log is made where there is none, for it to have a name.
    """
    if not audit_path().exists():
        open_log(environment.org_id, environment.project_id).close()
    return known_audience(environment) or ""


def known_audience(environment: Environment) -> str | None:
    """The origin of this host's audit log, if it has one."""
    from byteor_store.checkpoint import origin

    if not audit_path().exists():
        return None
    with AuditLog.observe(audit_path()) as log:
        return origin(log.uuid(), environment.org_id, environment.project_id)


def keep_request(request: Request, asker: bytes | None = None, *, here: bool = True) -> int:
    """Keep a new request and note it. ``here``: its requester is this process's user, or signed ``asker``.

    Raises ``E_EXISTS`` (exit 6) when another one has its id.
    """
    check_request_new(request)
    folder = folder_of(request.request_id)
    body = {"reason": request.reason, "requester": request.requester, "signed": asker is not None}
    seq = record(ASKED if here else "approval_request_imported", request, body=body)
    if asker is not None:
        write_file(folder / ASKER, asker)
    write_file(folder / REQUEST, request.text())
    return seq


def check_requester(
    request_id: str, request_sha256: str, requester: str, asker: bytes | None, keys: KeySet, now: int
) -> None:
    """Raise ``E_REQUESTER`` unless the requester is known to be who asked: by his signature, or because this
    host's log says that the request was made here, by the user of that name."""
    if asker is not None:
        check_asker(asker, request_sha256, requester, keys, now)
        return
    made: Sequence[Row] = ()
    if audit_path().exists():
        with AuditLog.observe(audit_path()) as log:
            made = log.about(request_id, ASKED)
    for row in made:
        body = msgspec.json.decode(row.body or b"{}", type=dict[str, Any])
        if body.get("request_sha256") == request_sha256 and row.leaf.actor.removeprefix("user:") == requester:
            return
    message = f"nobody vouches that {requester} asked: the request came unsigned from elsewhere"
    raise refused("E_REQUESTER", message)


def user_name() -> str:
    """Who asks without a key: this process's user, as the log names him. No claim, no variable."""
    return current_actor().removeprefix("user:")


def check_request_new(request: Request) -> None:
    """Raise ``E_EXISTS`` (exit 6) when another request has its id."""
    path = state_dir() / "approvals" / request.request_id / REQUEST
    if path.exists() and read_document(path) != request.text():
        raise ByteorError("E_EXISTS", f"another request has the id {request.request_id}", exit=Exit.CONFLICT)


def read_kept(request_id: str) -> Kept:
    """The request of this id with its answers. Raises ``E_NOT_FOUND`` (exit 7)."""
    folder = state_dir() / "approvals" / request_id
    if not is_kept_request(request_id):
        hint = "byteor approval list; a request from elsewhere comes in by byteor approval import FILE"
        raise ByteorError("E_NOT_FOUND", f"there is no request {request_id}", hint=hint, exit=Exit.NOT_FOUND)
    check_private_folder(folder)
    request = read_request(read_document(folder / REQUEST), source=str(folder / REQUEST))
    asker = read_document(folder / ASKER) if (folder / ASKER).exists() else None
    return Kept(request, _answers(folder), asker)


def is_kept_request(request_id: str) -> bool:
    """Whether this host has the request of this id."""
    return is_uuid(request_id) and (state_dir() / "approvals" / request_id / REQUEST).exists()


def _answers(folder: Path) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    fields = ((CREDENTIAL, "credential"), (YES, "companion"), (NO, "denial"))
    for path in sorted(folder.iterdir()):
        for suffix, field in fields:
            stem = path.name.removesuffix(suffix)
            if stem != path.name and not path.name.startswith("."):
                data = read_document(path)
                value = data.decode("ascii", "replace").removesuffix("\n") if field == "credential" else data
                old = found.get(stem, Answer())
                found[stem] = msgspec.structs.replace(old, **{field: value})
                break
    return found


def all_kept() -> list[Kept]:
    """Every request on this host, the newest first."""
    root = state_dir() / "approvals"
    if not root.exists():
        return []
    check_private_folder(root)
    kept = [read_kept(path.name) for path in root.iterdir() if (path / REQUEST).exists()]
    return sorted(kept, key=lambda one: (one.request.created_at, one.request.request_id), reverse=True)


def account(kept: Kept, keys: KeySet, now: int) -> Account:
    """Where a request stands at ``now`` (s). Uses are counted from the audit log."""
    revocations = seen_revocations(now=now, current=False)
    uses = count_uses(kept.request.request_id)
    return account_of(kept.request, kept.answers, keys=keys, revocations=revocations, uses=uses, now=now)


def count_uses(request_id: str) -> int:
    """How often the audit log says that this approval was used."""
    if not audit_path().exists():
        return 0
    with AuditLog.observe(audit_path()) as log:
        return log.uses(request_id)


def keep_answer(request: Request, kid: str, answer: Answer, *, keys: KeySet, now: int) -> int:
    """Check an answer, note it, keep its files. Raises what ``state_with`` raises and then writes nothing."""
    state = state_with(read_kept(request.request_id), kid, answer, keys=keys, now=now)
    action = "approval_denied" if answer.denial is not None else "approval_granted"
    seq = record(action, request, kid=kid, body={"state": state})
    folder = folder_of(request.request_id)
    for name, data in answer_files(kid, answer).items():
        write_file(folder / name, data)
    return seq


def state_with(kept: Kept, kid: str, answer: Answer, *, keys: KeySet, now: int) -> str:
    """The state that a request has with one answer more. Raises the code of what is wrong with it.

    The request must still be open: an answer that comes after its end changes nothing.
    """
    check_answer(kept.request, answer, keys=keys, now=now)
    if answer.denial is None:
        check_kept_requester(kept, keys, now)
        _check_reviews(kept.request, keys, now)
    before = account(kept, keys, now)
    if before.progress.state != "pending":
        raise refused("E_REQUEST_STATE", f"the request is {before.progress.state}; it takes no more answers")
    others = {**kept.answers, kid: answer}
    after = account_of(kept.request, others, keys=keys, revocations=None, uses=0, now=now)
    if kid in after.void:
        raise refused("E_NOT_ELIGIBLE", after.void[kid])
    return after.progress.state


def check_kept_requester(kept: Kept, keys: KeySet, now: int) -> None:
    """In prod nobody answers a request whose requester may be anybody. Raises ``E_REQUESTER``."""
    request = kept.request
    if request.environment_posture == "prod" or kept.asker is not None:
        check_requester(request.request_id, request.digest, request.requester, kept.asker, keys, now)


def _check_reviews(request: Request, keys: KeySet, now: int) -> None:
    """While an emergency waits for its review too long, nobody approves more there."""
    check_reviews(request.environment_id, open_reviews(keys, now), now)


def answer_files(kid: str, answer: Answer) -> dict[str, bytes]:
    """File name -> content, of an answer that travels or is kept."""
    stem = file_stem(kid)
    files: dict[str, bytes] = {}
    # The companion first: a crash in between leaves no credential that would count without it.
    if answer.companion is not None:
        files[stem + YES] = answer.companion
    if answer.credential is not None:
        files[stem + CREDENTIAL] = answer.credential.encode("ascii") + b"\n"
    if answer.denial is not None:
        files[stem + NO] = answer.denial
    return files


def file_stem(kid: str) -> str:
    """A file name for a key id: the id when it is a plain word, else a digest. It leads out of no folder."""
    plain = kid.isascii() and all(c.isalnum() or c in "-_" for c in kid) and 0 < len(kid) <= 64
    return kid if plain else "key-" + hashlib.sha256(kid.encode()).hexdigest()[:16]


def read_document(path: Path) -> bytes:
    """The bytes of a file that somebody named, at most 1 MiB. Raises ``E_NOT_FOUND`` (exit 7), ``E_FILE``."""
    try:
        return read_regular(path, MAX_BYTES)[0]
    except FileNotFoundError:
        raise ByteorError("E_NOT_FOUND", f"there is no file {path}", exit=Exit.NOT_FOUND) from None
    except ValueError as error:
        raise ByteorError("E_FILE", f"{path} {error}", hint="give a file", exit=Exit.INVALID) from None


def read_credential(path: Path) -> str:
    """The text of a credential file: one final newline belongs to the file, not to the credential."""
    data = read_document(path)
    if len(data) > MAX_CREDENTIAL_BYTES + 1:
        raise refused("E_DECODE", f"{path} is too long for a credential")
    return data.decode("latin-1").removesuffix("\n")


def take_back(request: Request, data: bytes, kid: str, *, now: int) -> int:
    """Learn the revocation list ``data``, which names ``request``, and note it. Runs under it stop acting."""
    close_gates(learn_revocations(data, now=now))
    return record("approval_revoked", request, kid=kid)


def close_gates(revocations: RevocationList) -> None:
    """Close the gate cell of every approval that is used here and was revoked."""
    for entry in revocations.entries:
        gate = approval_gate(state_dir(), entry.approval_id)
        if gate.exists():
            set_gate(gate, closed=True)
