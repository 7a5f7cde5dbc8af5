"""Requests and answers as files that travel: by mail, on a stick, to a host without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from byteor.acts.approvals import (
    ASKER,
    CREDENTIAL,
    REQUEST,
    Kept,
    answer_files,
    check_kept_requester,
    check_request_new,
    close_gates,
    is_kept_request,
    keep_answer,
    keep_request,
    read_document,
    read_kept,
    state_with,
)
from byteor.acts.log import open_log
from byteor.atomic import write_file
from byteor.governance.answers import Answer
from byteor.governance.companion import Companion, Denial
from byteor.governance.credential import decode_credential
from byteor.governance.dsse import APPROVAL, DENIAL, REQUESTER, REVOCATIONS, open_envelope
from byteor.governance.errors import refused
from byteor.governance.request import Request, read_request
from byteor.governance.requester import Asker
from byteor.governance.trust import check_revocations, learn_revocations, trusted_keys
from byteor_store import Event, current_actor


class Brought(msgspec.Struct, frozen=True):
    """What came in as files: ``answers`` by (request id, key id), ``lists`` of revocations, ``askers`` by
    request id."""

    requests: list[Request]
    askers: dict[str, bytes]
    answers: dict[tuple[str, str], Answer]
    lists: list[bytes]


# (kind, request id, audit seq) of what was taken in; a list has no request id, a dry run and what was here
# already no seq.
Taken = list[tuple[str, str, int | None]]


def bring_in(paths: list[Path], *, now: int) -> Taken:
    """Import requests, answers and revocation lists from files, in any order."""
    found = _brought(paths)
    done: Taken = [("revocations", "", _learn_list(data, now)) for data in found.lists]
    for request in found.requests:
        asker = found.askers.get(request.request_id)
        if _is_known(request, asker):
            done.append(("request", request.request_id, None))
            continue
        _check_import(Kept(request, {}, asker), now)
        done.append(("request", request.request_id, keep_request(request, asker, here=False)))
    for (request_id, kid), answer in found.answers.items():
        seq = keep_answer(read_kept(request_id).request, kid, answer, keys=trusted_keys(), now=now)
        done.append((_kind(answer), request_id, seq))
    return done


def would_bring_in(paths: list[Path], *, now: int) -> Taken:
    """What ``bring_in`` would take. Raises what it would raise; nothing is changed."""
    found = _brought(paths)
    for data in found.lists:
        check_revocations(data, now=now)
    kept = {one.request_id: Kept(one, {}, found.askers.get(one.request_id)) for one in found.requests}
    for one in kept.values():
        if not _is_known(one.request, one.asker):
            _check_import(one, now)
            check_request_new(one.request)
    for (request_id, kid), answer in found.answers.items():
        one = kept.get(request_id) or read_kept(request_id)
        state_with(one, kid, answer, keys=trusted_keys(), now=now)
        kept[request_id] = Kept(one.request, {**one.answers, kid: answer}, one.asker)
    done: Taken = [("revocations", "", None) for _ in found.lists]
    done += [("request", request.request_id, None) for request in found.requests]
    return done + [(_kind(answer), request_id, None) for (request_id, _), answer in found.answers.items()]


def _is_known(request: Request, asker: bytes | None) -> bool:
    """Whether this very request is here already, as when its answers come back together with it."""
    if not is_kept_request(request.request_id):
        return False
    kept = read_kept(request.request_id)
    return kept.request == request and asker in (None, kept.asker)


def _check_import(kept: Kept, now: int) -> None:
    """A request that comes in again is not new; prod takes no unsigned one from elsewhere."""
    if kept.request.environment_posture == "prod" or kept.asker is not None:
        check_kept_requester(kept, trusted_keys(), now)


def _kind(answer: Answer) -> str:
    return "denial" if answer.denial is not None else "approval"


def _brought(paths: list[Path]) -> Brought:
    """The files, and those in folders, sorted by what they are; nothing is verified."""
    found = Brought([], {}, {}, [])
    for path in _files(paths):
        data = read_document(path)
        if data.lstrip()[:1] != b"{":
            text = data.decode("ascii", "replace").removesuffix("\n")
            claims = decode_credential(text)[0]
            _merge(found.answers, claims.approval_id, claims.kid, credential=text)
        elif APPROVAL.encode() in data:
            yes = _opened(path, data, APPROVAL, Companion)
            _merge(found.answers, yes.approval_id, yes.kid, companion=data)
        elif REQUESTER.encode() in data:
            found.askers[_opened(path, data, REQUESTER, Asker).request_id] = data
        elif DENIAL.encode() in data:
            no = _opened(path, data, DENIAL, Denial)
            _merge(found.answers, no.request_id, no.kid, denial=data)
        elif REVOCATIONS.encode() in data:
            found.lists.append(data)
        else:
            found.requests.append(read_request(data, source=str(path)))
    return found


def _files(paths: list[Path]) -> list[Path]:
    """A folder stands for the files in it that a request or an answer may be, as ``send_out`` names them."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            names = (REQUEST, ".dsse", CREDENTIAL)
            found += [one for one in sorted(path.iterdir()) if one.name.endswith(names)]
        else:
            found.append(path)
    return found


def _merge(answers: dict[tuple[str, str], Answer], request_id: str, kid: str, **field: Any) -> None:
    old = answers.get((request_id, kid), Answer())
    answers[request_id, kid] = msgspec.structs.replace(old, **field)


def _opened(path: Path, data: bytes, payload_type: str, kind: type[Any]) -> Any:
    try:
        return open_envelope(data, payload_type, kind)[0]
    except ValueError as error:
        raise refused("E_COMPANION", f"{path}: {error}") from None


def _learn_list(data: bytes, now: int) -> int:
    document = learn_revocations(data, now=now)
    close_gates(document)
    body = {"version": document.version, "entries": len(document.entries)}
    with open_log() as log:
        return log.append(Event(action="revocations_learnt", actor=current_actor(), body=body), seal=True)


def send_out(kept: Kept, folder: Path) -> list[Path]:
    """Write the request and its answers into ``folder`` (made when missing); the paths."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = travelling(kept)
    for name, data in files.items():
        write_file(folder / name, data)
    return [folder / name for name in files]


def travelling(kept: Kept) -> dict[str, bytes]:
    """File name -> content of a request and its answers."""
    files = {REQUEST: kept.request.text()}
    if kept.asker is not None:
        files[ASKER] = kept.asker
    for kid, answer in kept.answers.items():
        files |= answer_files(kid, answer)
    return files
