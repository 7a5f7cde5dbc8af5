"""The audit log: append events, read them back. Tamper evidence is in ``merkle`` and ``verify``."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import msgspec

from byteor.closing import Closing
from byteor.errors import Exit
from byteor_store.database import open_for_reading, open_for_writing, translated
from byteor_store.errors import StoreError
from byteor_store.group_commit import GroupCommit
from byteor_store.kept_tree import Signer, checkpoint_due, read_frontier, sign_tree
from byteor_store.leaf import (
    SALT_BYTES,
    Event,
    Leaf,
    body_digest,
    canonical,
    current_actor,
    current_boot_id,
    leaf_text,
)
from byteor_store.merkle import Frontier, leaf_hash
from byteor_store.migrations import migrate, refuse_newer, shape
from byteor_store.proof import Proof, prove

if TYPE_CHECKING:
    pass

PAGE_ROWS = 4_096  # a log may be larger than memory


class Row(msgspec.Struct, frozen=True):
    """One entry: the leaf's fields, its exact text and hash, and its body (None: none, or erased)."""

    leaf: Leaf
    text: bytes
    leaf_hash: bytes
    body: bytes | None


class _Append(NamedTuple):
    events: Sequence[Event]
    bodies: Sequence[bytes | None]
    seal: bool


class AuditLog(Closing):
    """An open log. What is appended is durable when the call returns; threads that append at once share a
    transaction.

    Many processes may append to one file: size and frontier are read from the database inside every
    transaction (BEGIN IMMEDIATE) and nothing is remembered across two. With a ``signer`` a checkpoint is
    written in the same transaction where one is due: the newest is 1,000 entries or 60 s old.
    """

    def __init__(self, connection: apsw.Connection, path: Path, signer: Signer | None = None) -> None:
        self.path = path
        self._signer = signer
        self._connection = connection
        self._lock = threading.Lock()  # one thread at a time uses the connection
        self._appends: GroupCommit[_Append, list[int]] = GroupCommit(self._commit)
        self._boot_id = current_boot_id()

    @classmethod
    def open(cls, path: Path, signer: Signer | None = None) -> AuditLog:
        """Open for appending; the file is made when missing. Raises ``StoreError``."""
        connection = open_for_writing(path)
        try:
            migrate(connection, path)
        except apsw.Error as error:
            connection.close()
            raise translated(error, path) from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, path, signer)

    @classmethod
    def observe(cls, path: Path) -> AuditLog:
        """Open for reading only. Raises ``StoreError`` (``E_AUDIT_NOT_FOUND``, ``E_AUDIT_UNREADABLE``)."""
        connection = open_for_reading(path)
        try:
            found = shape(connection)
            refuse_newer(found, path)
            if found == 0:
                raise StoreError(
                    "E_AUDIT_UNREADABLE", f"{path} is a database, but no audit log", exit=Exit.INVALID
                )
        except apsw.Error as error:
            connection.close()
            raise translated(error, path) from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def append(self, event: Event, *, seal: bool = False) -> int:
        """Append one event; its seq. Durable on return. Raises ``StoreError`` and then nothing is written."""
        return self.append_many([event], seal=seal)[0]

    def append_many(self, events: Sequence[Event], *, seal: bool = False) -> list[int]:
        """Append a group in one transaction (all or none), with one wait for the disk; their seqs.

        ``seal`` signs a checkpoint over them whether or not one is due (approvals, key and policy changes).
        """
        bodies = [None if event.body is None else canonical(event.body) for event in events]
        return self._appends.do(_Append(events, bodies, seal))

    def append_use(self, use: Event, others: Sequence[Event], *, max_uses: int) -> list[int] | None:
        """Append ``use`` and ``others`` if ``use.approval_id`` has a use left; their seqs, else None.

        Counting and appending are one transaction, so that of several processes no more than ``max_uses``
        succeed. A run (``use.run_id``) that has used it before uses it again without a row: it was restarted.
        """
        if use.approval_id is None or use.run_id is None:
            raise ValueError("a use names its approval and its run")
        query = "SELECT 1 FROM entries WHERE approval_id = ? AND action = ? AND run_id = ?"
        with self._transaction():
            mine = self._connection.execute(query, (use.approval_id, use.action, use.run_id)).fetchone()
            if mine is None and self._uses(use.approval_id, use.action) >= max_uses:
                return None
            events = [*([] if mine else [use]), *others]
            first = self._write(
                events, [None if event.body is None else canonical(event.body) for event in events]
            )
            if self._signer is not None:
                sign_tree(self._connection, self.path, self._signer)
        return list(range(first, first + len(events)))

    def about(self, approval_id: str, action: str) -> list[Row]:
        """The entries of one action about an approval."""
        with self._lock:
            try:
                known = shape(self._connection) >= 3
                fields = ("approval_id", "action")
                given, acted = fields if known else (f"CAST(leaf AS TEXT) ->> '$.{one}'" for one in fields)
                query = (
                    "SELECT seq, leaf, leaf_hash, body FROM entries LEFT JOIN bodies USING (seq)"
                    f" WHERE {given} = ? AND {acted} = ? ORDER BY seq"
                )
                found: Any = self._connection.execute(query, (approval_id, action)).fetchall()
            except apsw.Error as error:
                raise translated(error, self.path) from error
        return [Row(self._leaf(seq, text), text, hashed, body) for seq, text, hashed, body in found]

    def uses(self, approval_id: str, action: str = "approval_used") -> int:
        """How many runs have used an approval."""
        with self._lock:
            try:
                return self._uses(approval_id, action)
            except apsw.Error as error:
                raise translated(error, self.path) from error

    def _uses(self, approval_id: str, action: str) -> int:
        # The planner must see approval_id alone for its index; an older log has no such column.
        known = shape(self._connection) >= 3
        fields = ("approval_id", "action", "run_id")
        given, acted, run = fields if known else (f"CAST(leaf AS TEXT) ->> '$.{name}'" for name in fields)
        query = f"SELECT count(DISTINCT coalesce({run}, seq)) FROM entries WHERE {given} = ? AND {acted} = ?"
        return int(self._connection.execute(query, (approval_id, action)).get)

    def _commit(self, appends: Sequence[_Append]) -> list[list[int]]:
        events = [event for append in appends for event in append.events]
        bodies = [body for append in appends for body in append.bodies]
        seal = any(append.seal for append in appends)
        with self._transaction():
            first = self._write(events, bodies)
            if self._signer is not None and (seal or checkpoint_due(self._connection)):
                sign_tree(self._connection, self.path, self._signer)
        starts = accumulate((len(append.events) for append in appends), initial=first)
        return [
            list(range(start, start + len(append.events)))
            for start, append in zip(starts, appends, strict=False)
        ]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE to COMMIT; on any error ROLLBACK, and SQLite's come out as ``StoreError``."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # a failed COMMIT may have rolled back by itself
                    self._connection.execute("ROLLBACK")
                if isinstance(error, apsw.Error):
                    raise translated(error, self.path) from error
                raise

    def _write(self, events: Sequence[Event], bodies: Sequence[bytes | None]) -> int:
        """Insert entries and bodies, store the tree; the first entry's seq."""
        frontier = read_frontier(self._connection, self.path)
        first = frontier.size
        entries: list[tuple[int, bytes, bytes]] = []
        kept: list[tuple[int, bytes, bytes]] = []
        for seq, (event, body) in enumerate(zip(events, bodies, strict=True), start=first):
            digest = None
            if body is not None:
                salt = secrets.token_bytes(SALT_BYTES)
                digest = body_digest(salt, body)
                kept.append((seq, salt, body))
            text = leaf_text(
                event, seq=seq, ts_unix_ns=time.time_ns(), boot_id=self._boot_id, body_digest=digest
            )
            hashed = leaf_hash(text)
            frontier.append(hashed)
            entries.append((seq, text, hashed))
        write = self._connection.executemany
        write("INSERT INTO entries (seq, leaf, leaf_hash) VALUES (?, ?, ?)", entries)
        write("INSERT INTO bodies (seq, salt, body) VALUES (?, ?, ?)", kept)
        state = (frontier.size, b"".join(frontier.hashes))
        self._connection.execute("UPDATE log SET size = ?, frontier = ?", state)
        return first

    def size(self) -> int:
        """How many entries there are."""
        return self.tree().size

    def tree(self) -> Frontier:
        """The tree's frontier as the database has it now; ``verify`` says whether it is true."""
        with self._lock:
            try:
                return read_frontier(self._connection, self.path)
            except apsw.Error as error:
                raise translated(error, self.path) from error

    def rows(
        self,
        *,
        after: int = -1,
        run_id: str | None = None,
        last: int | None = None,
        of_incidents: bool = False,
        page: int = PAGE_ROWS,
    ) -> Iterator[Row]:
        """Entries with seq > ``after``, oldest first; only a run's, only those about incidents (actions
        ``incident_...``), or only the ``last`` so many of them. ``page`` are read at a time.

        Raises ``StoreError`` ``E_AUDIT_UNREADABLE`` for a leaf that is none.
        """
        if last is not None:
            found = self._page(after, run_id, last, of_incidents, newest=True)
            yield from (Row(self._leaf(seq, text), text, hashed, body) for seq, text, hashed, body in found)
            return
        while found := self._page(after, run_id, page, of_incidents):
            for seq, text, hashed, body in found:
                yield Row(self._leaf(seq, text), text, hashed, body)
            after = found[-1][0]

    def _page(
        self, after: int, run_id: str | None, count: int, of_incidents: bool, newest: bool = False
    ) -> list[Any]:
        """(seq, leaf, leaf_hash, body) by seq: the first ``count`` behind ``after``, or the newest."""
        query = "SELECT seq, leaf, leaf_hash, body FROM entries LEFT JOIN bodies USING (seq) WHERE seq > ?"
        values: list[int | str] = [after]
        if run_id is not None:
            query += " AND run_id = ?"
            values.append(run_id)
        if of_incidents:
            query += " AND action GLOB 'incident_*'"  # as the index says it
        query += f" ORDER BY seq {'DESC' if newest else 'ASC'} LIMIT ?"
        with self._lock:
            try:
                found: list[Any] = self._connection.execute(query, [*values, count]).fetchall()
            except UnicodeEncodeError:  # an id that is no text: no entry has it
                return []
            except apsw.Error as error:
                raise translated(error, self.path) from error
        return found[::-1] if newest else found

    def _leaf(self, seq: int, text: bytes) -> Leaf:
        try:
            return msgspec.json.decode(text, type=Leaf)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(
                "E_AUDIT_UNREADABLE",
                f"entry {seq} of {self.path} is no audit leaf: {error}",
                hint="byteor audit verify tells what was changed",
                exit=Exit.INVALID,
            ) from error

    def uuid(self) -> str:
        """This log's own identity, random at its creation."""
        with self._lock:
            return str(self._connection.execute("SELECT uuid FROM log").get)

    def write_checkpoint(self, signer: Signer) -> bytes:
        """Sign the tree as it is now and keep the note beside it; the note. A tree is signed only once."""
        with self._transaction():
            return sign_tree(self._connection, self.path, signer)

    def prove(self, seq: int) -> Proof:
        """The proof of entry ``seq``, in the tree of the newest checkpoint that has it, else of now.

        Reads a hash an entry: seconds for millions. Raises ``E_AUDIT_ENTRY``.
        """
        with self._lock:
            execute = self._connection.execute
            try:
                execute("BEGIN")
                leaf: Any = execute("SELECT leaf FROM entries WHERE seq = ?", (seq,)).get
                row: Any = execute(
                    "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size DESC LIMIT 1", (seq,)
                ).fetchone()
                size, note = row if row is not None else (-1, None)
                hashes: Any = execute("SELECT leaf_hash FROM entries ORDER BY seq LIMIT ?", (size,))
                leaves = [item for (item,) in hashes]
                execute("COMMIT")
            except apsw.Error as error:
                if self._connection.in_transaction:
                    execute("ROLLBACK")
                raise translated(error, self.path) from error
        if leaf is None:
            raise StoreError("E_AUDIT_ENTRY", f"there is no entry {seq}", exit=Exit.NOT_FOUND)
        return prove(leaf, leaves, seq, note)

    def newest_checkpoint(self) -> bytes | None:
        """The note over the largest tree that was signed, if any."""
        with self._lock:
            note: Any = self._connection.execute(
                "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"
            ).get
        return None if note is None else bytes(note)

    def keep_note(self, size: int, note: bytes) -> None:
        """Put a cosigned form of the checkpoint of ``size`` entries in its place."""
        with self._transaction():
            self._connection.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (note, size))

    def leaf_hashes(self, size: int = -1) -> list[bytes]:
        """The hashes of the first ``size`` entries (-1: of all): what proofs are made of."""
        query = "SELECT leaf_hash FROM entries ORDER BY seq LIMIT ?"
        with self._lock:
            try:
                found: Any = self._connection.execute(query, (size,))
                return [item for (item,) in found]
            except apsw.Error as error:
                raise translated(error, self.path) from error

    def check_body(self, seq: int) -> None:
        """Raise ``E_AUDIT_ENTRY`` unless entry ``seq`` has a body that may be erased."""
        found = next(self.rows(after=seq - 1, page=1), None)
        if found is None or found.leaf.seq != seq or found.body is None or found.leaf.action == "erase":
            raise _no_body(seq)

    def erase_body(self, seq: int, *, actor: str | None = None, reason: str = "") -> int:
        """Erase an entry's body and salt for good and append an ``erase`` entry that names it; its seq.

        The leaf, and so the tree, stays. Raises ``E_AUDIT_ENTRY`` when there is no such body.
        """
        event = Event(action="erase", actor=actor or current_actor(), body={"seq": seq, "reason": reason})
        body = canonical(event.body or {})
        # An erase entry's own body stays: it is what tells an erased body from a stolen one.
        delete = (
            "DELETE FROM bodies WHERE seq = ? AND seq NOT IN (SELECT seq FROM entries"
            " WHERE json_extract(CAST(leaf AS TEXT), '$.action') = 'erase' AND seq = ?)"
        )
        with self._transaction():
            self._connection.execute(delete, (seq, seq))
            if not self._connection.changes():
                raise _no_body(seq)
            own = self._write([event], [body])
            if self._signer is not None:
                sign_tree(self._connection, self.path, self._signer)
        with self._lock:
            try:
                # The old page, with the body, is still in the WAL until that is cut.
                cut: Any = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except apsw.Error as error:
                raise translated(error, self.path) from error
        if cut[0]:
            raise StoreError(
                "E_AUDIT_BUSY",
                f"the body of entry {seq} is erased, but a reader keeps the old page in {self.path}-wal",
                hint="close what reads the log; the page goes when the last process closes it",
            )
        return own


def _no_body(seq: int) -> StoreError:
    return StoreError("E_AUDIT_ENTRY", f"entry {seq} has no body to erase", exit=Exit.NOT_FOUND)
