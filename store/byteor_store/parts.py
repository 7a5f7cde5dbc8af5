"""Verifying a large log on several cores: a first look that only ever says "all right" or "look closely".

Processes of their own (``python -m byteor_store.parts``) hash a range of entries each and give back the roots
of its subtrees, and what the indexes must show of it. Where anything is not as expected, also an erased
body, nothing is concluded here: ``verify`` then walks the log from its start, and its words are the verdict.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
from byteor_store.indexes import INDEXES, PRODUCT_BYTES, SECRET_BYTES, Products, agree, shown
from byteor_store.merkle import Frontier, pair_up

BATCH = 2048  # entries in memory at once
BLOCK_LEVEL = 8  # subtrees of 256 leaves are what a process gives back
BLOCK = 1 << BLOCK_LEVEL
WORTH_IT = 200_000  # entries; fewer are done before another interpreter has started
HASH_BYTES = 32
PRODUCTS_BYTES = len(INDEXES) * PRODUCT_BYTES  # at the end of what a process gives back

# seq, leaf, its stored hash, salt, body
Entry = tuple[int, bytes, bytes, bytes | None, bytes | None]

# Each entry is also looked up by its number: a tree in which everything is found is in order.
RANGE = (
    "SELECT entries.seq, entries.leaf, entries.leaf_hash, salt, body FROM entries"
    " JOIN entries AS found ON found.seq = entries.seq LEFT JOIN bodies ON bodies.seq = entries.seq"
    " WHERE entries.seq >= ? AND entries.seq < ? ORDER BY entries.seq"
)
# Its rows are read and looked up above; SQLite's own look at them takes longer than all that.
LOOKED_AT = "entries"


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
    shape: int,
    meanwhile: Callable[[], object] = lambda: None,
) -> bool:
    """Grow the empty ``tree`` over all entries, if they, all ``anchors`` (by size), and the indexes of a
    database of ``shape`` are right.

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
    secret = secrets.token_bytes(SECRET_BYTES)
    indexes: list[tuple[int | None, ...]] = []

    def look() -> None:
        meanwhile()
        indexes.append(shown(connection, shape, secret))

    products = Products(secret)
    blocks = _blocks(path, whole, min(cores, 4), products, look)
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
    try:
        products.take(whole, [entry[1] for entry in rest])
    except ValueError:  # one is no leaf
        return False
    if not agree(indexes[0], products):
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


def _blocks(
    path: Path, whole: int, processes: int, products: Products, meanwhile: Callable[[], object]
) -> list[bytes] | None:
    """The roots of all blocks of the first ``whole`` entries, which ``products`` takes in.

    None when a process found anything odd.
    """
    step = -(-whole // processes // BLOCK) * BLOCK
    ranges = [(first, min(first + step, whole)) for first in range(0, whole, step)]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_process(path, *part, products.secret)) for part in ranges]
        meanwhile()
        outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        return None
    return joined(outputs, whole, products)


def joined(outputs: Sequence[bytes], whole: int, products: Products) -> list[bytes] | None:
    """The block roots of all processes; their products are multiplied into ``products``."""
    data = b"".join(output[:-PRODUCTS_BYTES] for output in outputs)
    if len(data) != whole // BLOCK * HASH_BYTES:
        return None
    for output in outputs:
        products.join(output[-PRODUCTS_BYTES:])
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


@contextlib.contextmanager
def _process(path: Path, first: int, last: int, secret: bytes) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-P", "-m", "byteor_store.parts", str(path), str(first), str(last)]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin:  # one that died says so by its exit
                process.stdin.write(secret)
            process.stdin = None
        yield process
    finally:
        if process.poll() is None:  # Ctrl-C while it works
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def range_of(path: Path, first: int, last: int, secret: bytes) -> bytes | None:
    """The roots of the blocks of entries ``first`` to ``last``, in a row, and the products of the indexes.

    None unless all is right.
    """
    connection = open_for_reading(path)
    rows: Any = connection.execute(RANGE, (first, last))
    out, products = bytearray(), Products(secret)
    at = first
    while batch := list(islice(rows, BATCH)):
        hashes = right_hashes(batch, at)
        if hashes is None or len(hashes) % BLOCK:
            return None
        products.take(at, [entry[1] for entry in batch])
        for _ in range(BLOCK_LEVEL):
            hashes = pair_up(hashes)
        out += b"".join(hashes)
        at += len(batch)
    return bytes(out) + products.packed() if at == last else None


def main(words: Sequence[str]) -> int:
    """Write what ``range_of`` finds to stdout, the secret being on stdin; 1 when not all of it is right."""
    found = range_of(Path(words[0]), int(words[1]), int(words[2]), sys.stdin.buffer.read(SECRET_BYTES))
    if found is None:
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
