"""Is the log intact? Reads every entry once, in constant memory, and says what is wrong first."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import msgspec

from byteor_store.checkpoint import CheckpointError, read
from byteor_store.database import open_for_reading, translated
from byteor_store.errors import StoreError
from byteor_store.indexes import SECRET_BYTES, NoLeafError, all_right
from byteor_store.kept_tree import read_frontier
from byteor_store.leaf import body_digest
from byteor_store.merkle import Frontier
from byteor_store.migrations import expected_schema, refuse_newer, schema_of, shape
from byteor_store.parts import BATCH, LOOKED_AT, Anchor, Entry, right_hashes, walk_parts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and the first entry that cannot be trusted (None: not one entry's fault)."""

    code: str
    detail: str
    seq: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What ``verify`` found. ``root`` (hex) and ``size`` are over the entries as they were read.

    ``problem.code`` is ``E_LEAF_HASH`` (an entry or its body is not what was written), ``E_SEQ_GAP`` (one
    is missing or not at its place), ``E_TRUNCATED`` (fewer than the tree counts), ``E_ROLLBACK`` (a
    checkpoint counts more than the log holds), ``E_ROOT`` (the entries do not give the root that the tree
    or a checkpoint names), ``E_RESTORED``, ``E_CHECKPOINT_SIG``, or ``E_AUDIT_UNREADABLE`` (a damaged page,
    or tables and indexes that are not the program's own and so may show other entries than those).
    """

    size: int
    root: str
    checkpoint_size: int
    witnessed: bool
    problem: Problem | None

    @property
    def ok(self) -> bool:
        return self.problem is None


class _Erasure(msgspec.Struct):
    seq: int


ENTRIES = (
    "SELECT entries.seq, leaf, leaf_hash, salt, body FROM entries LEFT JOIN bodies USING (seq) ORDER BY seq"
)

CHECKPOINTS = "SELECT uuid, checkpoints.size, root, note FROM checkpoints, log ORDER BY checkpoints.size"


def verify(path: Path, witnesses: Sequence[Anchor] = (), key: Ed25519PublicKey | None = None) -> Verdict:
    """Check the log at ``path`` whole; it may be written meanwhile (one moment is read).

    ``witnesses`` are anchors kept outside this host: only they can tell a log that was written anew.
    With ``key`` every checkpoint must be signed by it (``E_CHECKPOINT_SIG``).
    A log that was restored from a copy and says so is told apart from one that was rolled back.
    Raises ``StoreError`` when there is no log or it cannot even be opened.
    """
    found = _verified(path, witnesses, key)
    if found.problem is None or found.problem.code not in ("E_ROLLBACK", "E_ROOT"):
        return found
    restored = _newest_restore(path)
    if restored is None:
        return found
    seq, lost_size = restored
    kept = [one for one in witnesses if not seq < one.size <= lost_size]
    if len(kept) == len(witnesses) or not _verified(path, kept, key).ok:
        return found
    detail = (
        f"entries {seq} to {lost_size - 1} are gone: the log was restored from a copy, as entry {seq} says"
    )
    return msgspec.structs.replace(found, problem=Problem("E_RESTORED", detail, seq))


def _newest_restore(path: Path) -> tuple[int, int] | None:
    """(seq, size of the log that was lost) of the newest restore entry whose body is there."""
    connection = open_for_reading(path)
    query = (
        "SELECT entries.seq, body FROM entries JOIN bodies USING (seq)"
        " WHERE json_extract(CAST(leaf AS TEXT), '$.action') = 'restore' ORDER BY seq DESC LIMIT 1"
    )
    try:
        row: Any = connection.execute(query).fetchone()
        return None if row is None else (row[0], msgspec.json.decode(row[1], type=_Restore).lost_size)
    except (apsw.Error, ValueError):
        return None
    finally:
        connection.close()


class _Restore(msgspec.Struct):
    lost_size: int


def _verified(path: Path, witnesses: Sequence[Anchor], key: Ed25519PublicKey | None) -> Verdict:
    connection = open_for_reading(path)
    tree = Frontier()
    anchors: list[Anchor] = []
    try:
        connection.execute("BEGIN")  # entries, tree and checkpoints of one moment
        version = shape(connection)
        refuse_newer(version, path)
        stored: Any = connection.execute(CHECKPOINTS).fetchall() if version >= 2 else []
        anchors = [Anchor(size, root) for _, size, root, _ in stored] + list(witnesses)
        anchors.sort(key=lambda anchor: anchor.size)

        def rows() -> Iterable[Any]:
            return connection.execute(ENTRIES)

        @functools.cache
        def damage(but: str | None) -> Problem | None:
            return _damage(connection, but)

        in_parts = walk_parts(path, connection, anchors, tree, version, lambda: damage(LOOKED_AT))
        problem = (
            (None if in_parts else walk(rows(), anchors, tree))
            or compare(tree, read_frontier(connection, path), anchors)
            or check_notes(stored, key)
            or _other_schema(connection, version)
            or damage(LOOKED_AT if in_parts else None)
            or (None if in_parts else _other_index(connection, version))
        )
    except apsw.Error as error:
        problem = Problem("E_AUDIT_UNREADABLE", translated(error, path).message, tree.size)
    except StoreError as error:
        if error.code != "E_AUDIT_UNREADABLE":
            raise
        problem = Problem(error.code, error.message)
    finally:
        connection.close()
    return Verdict(
        size=tree.size,
        root=tree.root().hex(),
        checkpoint_size=anchors[-1].size if anchors else 0,
        witnessed=problem is None and bool(witnesses),
        problem=problem,
    )


def walk(entries: Iterable[Entry], anchors: Sequence[Anchor], tree: Frontier) -> Problem | None:
    """Grow ``tree`` by ``entries`` (in order of seq) up to the first that is wrong.

    ``anchors`` (by size) are compared on the way, so that the span of a rewriting is told.
    """
    waiting = [anchor for anchor in reversed(anchors) if anchor.size > 0]
    trusted = 0  # the largest anchor that agreed
    gone = _Gone(set(), set())
    source = iter(entries)
    while True:
        room = waiting[-1].size - tree.size if waiting else BATCH
        batch = list(islice(source, min(BATCH, room)))
        if not batch:
            break
        # A batch that is not wholly right is looked at again, one by one: which one, and why?
        if not _all_right(batch, tree) and (problem := _first_wrong(batch, tree, gone)) is not None:
            return problem
        while waiting and waiting[-1].size == tree.size:
            if waiting[-1].root != tree.root():
                return _other_root(trusted, tree.size)
            trusted = waiting.pop().size
    if stolen := gone.unbodied - gone.erased:
        first = min(stolen)
        return Problem("E_LEAF_HASH", f"the body of entry {first} is gone and no entry says why", first)
    return None


class _Gone(NamedTuple):
    """Entries whose body is not there, and those that an erase entry names."""

    unbodied: set[int]
    erased: set[int]


def _all_right(batch: Sequence[Entry], tree: Frontier) -> bool:
    """Whether every entry of ``batch`` is right and erases none; ``tree`` grows then."""
    hashes = right_hashes(batch, tree.size)
    if hashes is not None:
        tree.extend(hashes)
    return hashes is not None


def _first_wrong(batch: Sequence[Entry], tree: Frontier, gone: _Gone) -> Problem | None:
    for seq, leaf, stored, salt, body in batch:
        if seq != tree.size:
            return Problem("E_SEQ_GAP", f"entry {tree.size} is missing: {seq} follows", tree.size)
        hashed = sha256(b"\x00" + leaf).digest()
        if hashed != stored:
            return Problem("E_LEAF_HASH", f"entry {seq} is not what was written", seq)
        # Canonical text escapes quotes inside values, so this can only be the member itself.
        if b'"seq":%d,' % seq not in leaf:
            return Problem("E_SEQ_GAP", f"what stands at {seq} is another entry", seq)
        if body is None or salt is None:
            if b'"body_digest":null' not in leaf:
                gone.unbodied.add(seq)
        elif b'"body_digest":"%b"' % body_digest(salt, body).encode() not in leaf:
            return Problem("E_LEAF_HASH", f"the body of entry {seq} is not what was written", seq)
        elif b'"action":"erase"' in leaf:
            gone.erased.update(_named_by(body))
        tree.append(hashed)
    return None


def _named_by(body: bytes) -> set[int]:
    """The entry that an erase entry's body names."""
    try:
        return {msgspec.json.decode(body, type=_Erasure).seq}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()


def _other_root(trusted: int, size: int) -> Problem:
    return Problem("E_ROOT", f"entries {trusted} to {size - 1} are not those of the checkpoint", trusted)


def compare(tree: Frontier, stored: Frontier, anchors: Sequence[Anchor]) -> Problem | None:
    """The tree over what was read against the one that the log keeps, and against larger anchors."""
    if tree.size < stored.size:
        return Problem("E_TRUNCATED", f"{stored.size - tree.size} entries are missing at the end", tree.size)
    if anchors and anchors[-1].size > tree.size:
        larger = anchors[-1].size
        return Problem(
            "E_ROLLBACK", f"a checkpoint counts {larger} entries, the log holds {tree.size}", tree.size
        )
    if (tree.size, tree.hashes) != (stored.size, stored.hashes):
        return Problem("E_ROOT", "the entries do not give the root that the log keeps")
    return None


def _other_schema(connection: apsw.Connection, version: int) -> Problem | None:
    """A view in place of the entries, or a column that reads another member of the leaf, would show something
    else than what was verified: who used an approval, what a run did."""
    found, expected = schema_of(connection), expected_schema(version)
    # A guard that is gone changes nothing that is shown; one of somebody else's may.
    differing = (found - expected) | {one for one in expected - found if one.kind != "trigger"}
    if not differing:
        return None
    name = min(one.name for one in differing)
    return Problem("E_AUDIT_UNREADABLE", f"`{name}` in the database is not as this program makes it")


def _damage(connection: apsw.Connection, but: str | None) -> Problem | None:
    """Pages that no entry lies on are looked at, too. ``but``: a table that was looked at otherwise."""
    tables: Any = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    parts = [""] if but is None else [f"({name!r})" for (name,) in tables if name != but]
    for part in parts:
        found = connection.execute(f"PRAGMA integrity_check{part}").get
        if found != "ok":
            return Problem("E_AUDIT_UNREADABLE", f"the file is damaged: {found}")
    return None


def _other_index(connection: apsw.Connection, version: int) -> Problem | None:
    try:
        if all_right(connection, version, secrets.token_bytes(SECRET_BYTES)):
            return None
    except NoLeafError as error:  # its hash may be right: whoever forged it knows how to make one
        return Problem("E_LEAF_HASH", f"entry {error.seq} is no audit leaf", error.seq)
    return Problem("E_AUDIT_UNREADABLE", "an index in the database shows other entries than there are")


def check_notes(
    stored: Iterable[tuple[str, int, bytes, bytes]], key: Ed25519PublicKey | None
) -> Problem | None:
    """Each stored (log uuid, size, root, note): the note says the same, of this log, signed by ``key``."""
    for uuid, size, root, note in stored:
        try:
            said = read(note, key)
        except CheckpointError as error:
            return Problem("E_CHECKPOINT_SIG", f"the checkpoint of {size} entries: {error}")
        if (said.size, said.root, said.origin.rpartition("/")[2]) != (size, root, uuid):
            return Problem("E_CHECKPOINT_SIG", f"the checkpoint of {size} entries is of another tree or log")
    return None
