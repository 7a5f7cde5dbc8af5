"""Trusting a key set, as an operator does it: with its audit row."""

from __future__ import annotations

from byteor.acts.log import open_log
from byteor.governance.keyset import KeySet
from byteor.governance.trust import check_learn, check_pin, learn, pin
from byteor_store import Event, current_actor


def trust(data: bytes, fingerprint: str | None, *, now: int) -> tuple[KeySet, int]:
    """Pin the key set in ``data`` by its fingerprint, or take it as a successor; it and the audit row's seq.

    The row comes after the check and the change: a set that was refused changes nothing that needs telling,
    and one that was taken can be taken again should the log be closed to us.
    """
    keys = pin(data, fingerprint, now=now) if fingerprint is not None else learn(data, now=now)
    event = Event(
        action="key_set_pinned" if fingerprint is not None else "key_set_learnt",
        actor=current_actor(),
        body={"fingerprint": keys.fingerprint, "version": keys.version},
    )
    with open_log() as log:
        return keys, log.append(event, seal=True)


def check_trust(data: bytes, fingerprint: str | None, *, now: int) -> KeySet:
    """The key set that ``trust`` would take; nothing is changed."""
    return check_pin(data, fingerprint, now=now) if fingerprint is not None else check_learn(data, now=now)
