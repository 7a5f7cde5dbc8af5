"""Do the indexes show the entries, all of them and no others? Whoever reads the log reads through them.

SQLite's ``integrity_check`` finds every entry in each index, on one core, and passes over those that an index
shows too many. Here each side is multiplied up: the entries as they are verified, range by range, and the
index as it is read. Each pair (key, seq) is one factor, a keyed hash of the key plus seq, modulo a prime. Two
different multisets of pairs have the same product with a chance of about their size in 2^127, whoever chose
them: nobody knows the secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import apsw
import msgspec

PRIME = 2**127 - 1
PRODUCT_BYTES = 16
SECRET_BYTES = 32
OF_INCIDENTS = "incident_"


class Index(NamedTuple):
    """``since``: the shape of the database that has it; ``key``: what it is ordered by before seq (None:
    nothing); ``due``: which entries it shows."""

    name: str
    since: int
    key: str | None
    due: str


INDEXES = (
    Index("entries_by_run", 1, "run_id", "run_id IS NOT NULL"),
    Index("entries_by_approval", 3, "approval_id", "approval_id IS NOT NULL"),
    Index("entries_of_incidents", 4, None, "action GLOB 'incident_*'"),
)


class _Indexed(msgspec.Struct):
    """What the indexes take from a leaf."""

    action: str
    approval_id: str | None
    run_id: str | None


_read = msgspec.json.Decoder(_Indexed).decode


class Products:
    """The product of every index (in the order of ``INDEXES``) over the pairs that were multiplied in."""

    def __init__(self, secret: bytes) -> None:
        self.values = (1,) * len(INDEXES)
        self.secret = secret
        self.base = lru_cache(maxsize=1024)(self._base)

    def _base(self, key: str) -> int:
        return int.from_bytes(blake2b(key.encode(), digest_size=PRODUCT_BYTES, key=self.secret).digest())

    def take(self, first: int, leaves: Iterable[bytes]) -> None:
        """Multiply in what the indexes must show of ``leaves``, the first of which is entry ``first``."""
        base = self.base
        run, approval, incident = self.values
        for seq, leaf in enumerate(leaves, start=first):
            entry = _read(leaf)
            if entry.run_id is not None:
                run = run * (base(entry.run_id) + seq) % PRIME
            if entry.approval_id is not None:
                approval = approval * (base(entry.approval_id) + seq) % PRIME
            if entry.action.startswith(OF_INCIDENTS):
                incident = incident * (base("") + seq) % PRIME
        self.values = (run, approval, incident)

    def packed(self) -> bytes:
        return b"".join(value.to_bytes(PRODUCT_BYTES) for value in self.values)

    def join(self, packed: bytes) -> None:
        """Multiply in what another process has ``packed``."""
        parts = [packed[at : at + PRODUCT_BYTES] for at in range(0, len(packed), PRODUCT_BYTES)]
        pairs = zip(self.values, parts, strict=True)
        self.values = tuple(value * int.from_bytes(part) % PRIME for value, part in pairs)


def shown(connection: apsw.Connection, shape: int, secret: bytes) -> tuple[int | None, ...]:
    """The product of every index as it is read; None for one that a log of ``shape`` has not.

    Each pair is also looked up: one that is not found where it must be makes 0, which no product is. A tree
    in which every key is found is in order.
    """
    base = Products(secret).base
    return tuple(
        _product(connection.execute(_query(index)), base) if shape >= index.since else None
        for index in INDEXES
    )


def _query(index: Index) -> str:
    """(key, seq) of what the index shows; seq is null when a look-up does not find it."""
    same = "" if index.key is None else f"found.{index.key} = entries.{index.key} AND "
    return (
        f"SELECT {index.key or repr('')}, (SELECT found.seq FROM entries AS found INDEXED BY {index.name}"
        f" WHERE {index.due} AND {same}found.seq = entries.seq)"
        f" FROM entries INDEXED BY {index.name} WHERE {index.due}"
    )


def _product(rows: Iterable[Any], base: Any) -> int:
    value = 1
    try:
        for key, seq in rows:
            if seq is None:
                return 0
            value = value * (base(key) + seq) % PRIME
    except UnicodeDecodeError:  # a key that no leaf of ours has
        return 0
    return value


class NoLeafError(Exception):
    """What stands at ``seq`` says neither what happened nor to what."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


def all_right(connection: apsw.Connection, shape: int, secret: bytes) -> bool:
    """Whether every index shows the entries, all of which are read once more. Raises ``NoLeafError``."""
    due = Products(secret)
    for seq, leaf in connection.execute("SELECT seq, leaf FROM entries ORDER BY seq"):
        try:
            due.take(seq, [leaf])
        except ValueError:  # msgspec's, and text that is no UTF-8
            raise NoLeafError(seq) from None
    return agree(shown(connection, shape, secret), due)


def agree(found: tuple[int | None, ...], due: Products) -> bool:
    """Whether the indexes that there are have the products that they must have."""
    return all(one in (None, value) for one, value in zip(found, due.values, strict=True))
