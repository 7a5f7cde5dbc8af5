"""The credentials, companions and emergencies that a run is handed, from wherever they were named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from byteor.acts.approvals import ASKER, read_credential, read_document, read_kept
from byteor.governance.dsse import BREAK_GLASS

CREDENTIAL, COMPANION = "approval.cred", "approval.dsse"  # beside a spec


class Papers(NamedTuple):
    """Texts and bytes as they were read; nothing is verified."""

    credentials: list[str]
    companions: list[bytes]
    emergencies: list[bytes]
    askers: list[bytes]


def papers(
    credentials: Sequence[Path], companions: Sequence[Path], approval: str | None, beside: Path | None
) -> Papers:
    """What the files hold, and the answers to the request ``approval`` that are kept here.

    With nothing named, ``approval.cred`` beside the spec ``beside``. A companion that lies beside its
    credential as ``byteor approval export`` writes them need not be named.
    """
    found = Papers([], [read_document(path) for path in companions], [], [])
    paths = list(credentials)
    if approval is not None:
        kept = read_kept(approval)
        found.askers.extend([kept.asker] if kept.asker is not None else [])
        for answer in kept.answers.values():
            found.credentials.extend([answer.credential] if answer.credential is not None else [])
            found.companions.extend([answer.companion] if answer.companion is not None else [])
    elif not paths and beside is not None and beside.with_name(CREDENTIAL).is_file():
        paths = [beside.with_name(CREDENTIAL)]
    for path in paths:
        data = read_document(path)
        if data.lstrip()[:1] == b"{" and BREAK_GLASS.encode() in data:
            found.emergencies.append(data)
            continue
        found.credentials.append(read_credential(path))
        asker = path.with_name(ASKER)
        if asker.is_file():
            found.askers.append(read_document(asker))
        pair = _companion_of(path)
        if not companions and pair is not None and pair.is_file():
            found.companions.append(read_document(pair))
    return found


def _companion_of(credential: Path) -> Path | None:
    if credential.name == CREDENTIAL:
        return credential.with_name(COMPANION)
    return credential.with_suffix(".approval.dsse") if credential.suffix == ".cred" else None
