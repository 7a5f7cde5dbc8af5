"""The Merkle tree of RFC 6962 (section 2.1) over SHA-256. Functions of values; nothing is stored here.

A hash is 32 bytes. A frontier holds the roots of the perfect subtrees that a tree of ``size`` leaves
consists of, from the largest to the smallest: one for each bit that is set in ``size``.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def pair_up(nodes: Sequence[bytes]) -> list[bytes]:
    """The next level above an even number of ``nodes``."""
    pairs = iter(nodes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]


class Frontier:
    """The right edge of a growing tree: all that is needed to append a leaf and to tell the root."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Raises ``ValueError`` when the number of hashes does not fit ``size``."""
        if size < 0 or len(hashes) != size.bit_count():
            raise ValueError(f"{len(hashes)} hashes are no frontier of {size} leaves")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash: it merges with as many subtrees as ``size`` ends in set bits."""
        size = self.size
        hashes = self.hashes
        while size & 1:
            leaf = node_hash(hashes.pop(), leaf)
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def extend(self, nodes: Sequence[bytes], level: int = 0) -> None:
        """Add many leaf hashes, or roots of perfect subtrees of 2**level leaves, a level at a time.

        Raises ``ValueError`` unless the size is a multiple of 2**level.
        """
        if self.size & (1 << level) - 1:
            raise ValueError(f"a subtree of {1 << level} leaves begins at no leaf {self.size}")
        left, at, odd = list(nodes), level, []
        while left:
            if self.size >> at & 1:
                left.insert(0, self.hashes.pop())
            if len(left) & 1:
                odd.append(left.pop())
            left = pair_up(left)
            at += 1
        self.hashes.extend(reversed(odd))
        self.size += len(nodes) << level

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two below ``size`` (size > 1): where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf ``index``, from the leaf up (section 2.1.1). Raises ``IndexError``."""
    size = len(leaves)
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    if size == 1:
        return []
    middle = _split(size)
    if index < middle:
        return [*inclusion_proof(leaves[:middle], index), root_of(leaves[middle:])]
    return [*inclusion_proof(leaves[middle:], index - middle), root_of(leaves[:middle])]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that ``proof`` implies for the leaf hash ``leaf`` (RFC 9162, section 2.1.3.2).

    Raises ``ValueError`` when the proof has the wrong length or the index is outside the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1:  # node is not 0: it is odd, or the last, which is not 0
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ValueError("the proof is too short")
    return root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Proof that the tree of the first ``old_size`` leaves is a prefix (section 2.1.2).

    Raises ``ValueError`` unless 0 < old_size <= number of leaves.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"no proof from {old_size} to {len(leaves)} leaves")
    return _subproof(leaves, old_size, True)


def _subproof(leaves: Sequence[bytes], old_size: int, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root_of(leaves)]
    middle = _split(len(leaves))
    if old_size <= middle:
        return [*_subproof(leaves[:middle], old_size, whole), root_of(leaves[middle:])]
    return [*_subproof(leaves[middle:], old_size - middle, False), root_of(leaves[:middle])]


def check_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether ``proof`` shows that the old tree is a prefix of the new one (RFC 9162, section 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # a perfect tree is itself the first node of the path
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not node & 1:  # node is not 0: it is odd, or the last, which is not 0
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root
