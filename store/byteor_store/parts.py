"""Verifying a large log on several cores: a first look that only ever says "all right" or "look closely".

Processes of their own (``python -m byteor_store.parts``) hash a range of entries each and give back the roots
of its subtrees. Where anything is not as expected, also an erased body, nothing is concluded here: ``verify``
then walks the log from its start, and its words are the verdict.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from binascii import hexlify
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec

from byteor_store.database import open_for_reading
from byteor_store.merkle import Frontier, pair_up

BATCH = 2048  # entries in memory at once
BLOCK_LEVEL = 8  # subtrees of 256 leaves are what a process gives back
BLOCK = 1 << BLOCK_LEVEL
WORTH_IT = 200_000  # entries; fewer are done before another interpreter has started
HASH_BYTES = 32

# seq, leaf, its stored hash, salt, body
Entry = tuple[int, bytes, bytes, bytes | None, bytes | None]

RANGE = (
    "SELECT entries.seq, leaf, leaf_hash, salt, body FROM entries LEFT JOIN bodies USING (seq)"
    " WHERE entries.seq >= ? AND entries.seq < ? ORDER BY seq"
)


class Anchor(msgspec.Struct, frozen=True):
    """A (size, root) that somebody signed or saw earlier."""

    size: int
    root: bytes


def right_hashes(batch: Sequence[Entry], first: int) -> list[bytes] | None:
    """The leaf hashes of ``batch``, which begins at entry ``first``, if every entry is in its place, as
    written, with its body, and erases none."""
    if [entry[0] for entry in batch] != list(range(first, first + len(batch))):
        return None
    hashes = [sha256(b"\x00" + entry[1]).digest() for entry in batch]
    if hashes != [entry[2] for entry in batch]:
        return None
    for seq, leaf, _, salt, body in batch:
        if b'"seq":%d,' % seq not in leaf or b'"action":"erase"' in leaf:
            return None
        if body is None or salt is None:
            if b'"body_digest":null' not in leaf:
                return None
        elif b'"body_digest":"%b"' % hexlify(sha256(salt + body).digest()) not in leaf:
            return None
    return hashes


def walk_parts(
    path: Path,
    connection: apsw.Connection,
    anchors: Sequence[Anchor],
    tree: Frontier,
    meanwhile: Callable[[], object] = lambda: None,
) -> bool:
    """Grow the empty ``tree`` over all entries, if they and all ``anchors`` (by size) are right.

    False, and ``tree`` as it was: the log is small, or something wants a closer look. ``meanwhile`` is
    called while others work.
    """
    size = int(connection.execute("SELECT size FROM log").get)
    whole = size // BLOCK * BLOCK
    cores = len(os.sched_getaffinity(0))
    if size < WORTH_IT or cores < 2 or (anchors and anchors[-1].size > size):
        return False
    # The ranges below see nothing that lies outside of them, but whoever reads the log does.
    if [connection.execute(f"SELECT {end}(seq) FROM entries").get for end in ("min", "max")] != [0, size - 1]:
        return False
    blocks = _blocks(path, whole, min(cores, 4), meanwhile)
    if blocks is None:
        return False
    grown = Frontier()
    for anchor in anchors:
        _grow(grown, blocks, anchor.size // BLOCK)
        if anchor.size and _root_at(grown, connection, anchor.size) != anchor.root:
            return False
    _grow(grown, blocks, len(blocks))
    rest: Any = connection.execute(RANGE, (whole, size + 1)).fetchall()
    hashes = right_hashes(rest, whole)
    if hashes is None or len(hashes) != size - whole:
        return False
    grown.extend(hashes)
    tree.size, tree.hashes = grown.size, grown.hashes
    return True


def _grow(tree: Frontier, blocks: Sequence[bytes], upto: int) -> None:
    done = tree.size >> BLOCK_LEVEL
    tree.extend(blocks[done:upto], BLOCK_LEVEL)


def _root_at(tree: Frontier, connection: apsw.Connection, size: int) -> bytes:
    """The root over ``size`` entries, of which ``tree`` has all whole blocks."""
    beyond = Frontier(tree.size, tree.hashes)
    query = "SELECT leaf_hash FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq"
    found: Any = connection.execute(query, (tree.size, size))
    beyond.extend([item for (item,) in found])
    return beyond.root()


def _blocks(path: Path, whole: int, processes: int, meanwhile: Callable[[], object]) -> list[bytes] | None:
    """The roots of all blocks of the first ``whole`` entries; None when a process found anything odd."""
    step = -(-whole // processes // BLOCK) * BLOCK
    ranges = [(first, min(first + step, whole)) for first in range(0, whole, step)]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_process(path, *part)) for part in ranges]
        meanwhile()
        outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        return None
    data = b"".join(outputs)
    if len(data) != whole // BLOCK * HASH_BYTES:
        return None
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


@contextlib.contextmanager
def _process(path: Path, first: int, last: int) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-P", "-m", "byteor_store.parts", str(path), str(first), str(last)]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:  # Ctrl-C while it works
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def block_roots(path: Path, first: int, last: int) -> bytes | None:
    """The roots of the blocks of entries ``first`` to ``last``, in a row; None unless all is right."""
    connection = open_for_reading(path)
    rows: Any = connection.execute(RANGE, (first, last))
    out = bytearray()
    at = first
    while batch := list(islice(rows, BATCH)):
        hashes = right_hashes(batch, at)
        if hashes is None or len(hashes) % BLOCK:
            return None
        for _ in range(BLOCK_LEVEL):
            hashes = pair_up(hashes)
        out += b"".join(hashes)
        at += len(batch)
    return bytes(out) if at == last else None


def main(words: Sequence[str]) -> int:
    """Write the block roots of a range of entries to stdout; 1 when not all of it is right."""
    found = block_roots(Path(words[0]), int(words[1]), int(words[2]))
    if found is None:
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
