"""The tree against RFC 6962's own definition, written out, and against published vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor_store import merkle

# Inputs and roots of the reference implementation of Certificate Transparency.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes.fromhex("5051525354555657"),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word, over raw leaves."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return sha256(b"\x01" + definition(leaves[:middle]) + definition(leaves[middle:])).digest()


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_published_roots(size: int) -> None:
    assert merkle.root_of([merkle.leaf_hash(leaf) for leaf in INPUTS[:size]]).hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_frontier_gives_the_root_of_the_definition(leaves: list[bytes]) -> None:
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(merkle.leaf_hash(leaf))
        frontier = merkle.Frontier(frontier.size, frontier.hashes)  # as if read back
    assert frontier.root() == definition(leaves)


@pytest.mark.parametrize("size", [*range(1, 20), 64, 65])
def test_every_leaf_is_proved_in_and_no_other(size: int) -> None:
    leaves = hashes(size)
    root = merkle.root_of(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion_proof(leaves, index)
        assert merkle.root_from_inclusion(leaf, index, size, proof) == root
        other = merkle.leaf_hash(b"other")
        assert merkle.root_from_inclusion(other, index, size, proof) != root
        for place in range(len(proof)):
            broken = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert merkle.root_from_inclusion(leaf, index, size, broken) != root


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_a_proof_of_another_length_is_refused(size: int) -> None:
    leaves = hashes(size)
    proof = merkle.inclusion_proof(leaves, 0)
    with pytest.raises(ValueError, match="too long"):
        merkle.root_from_inclusion(leaves[0], 0, size, [*proof, bytes(32)])
    if proof:
        with pytest.raises(ValueError, match="too short"):
            merkle.root_from_inclusion(leaves[0], 0, size, proof[:-1])
    with pytest.raises(ValueError, match="no leaf"):
        merkle.root_from_inclusion(leaves[0], size, size, proof)


@pytest.mark.parametrize("new", [*range(1, 18), 33])
def test_every_prefix_is_consistent_and_a_changed_one_is_not(new: int) -> None:
    leaves = hashes(new)
    new_root = merkle.root_of(leaves)
    for old in range(1, new + 1):
        old_root = merkle.root_of(leaves[:old])
        proof = merkle.consistency_proof(leaves, old)
        assert merkle.check_consistency(old, old_root, new, new_root, proof)
        forged = merkle.root_of([merkle.leaf_hash(b"forged"), *leaves[1:old]])
        assert not merkle.check_consistency(old, forged, new, new_root, proof)
        assert not merkle.check_consistency(old, old_root, new, merkle.leaf_hash(b"x"), proof)
        for place in range(len(proof)):
            broken = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert not merkle.check_consistency(old, old_root, new, new_root, broken)
        assert not merkle.check_consistency(old, old_root, new, new_root, [*proof, bytes(32)])
        if proof:
            assert not merkle.check_consistency(old, old_root, new, new_root, proof[:-1])


def test_sizes_that_make_no_sense_are_inconsistent() -> None:
    assert not merkle.check_consistency(0, merkle.EMPTY_ROOT, 1, bytes(32), [])
    assert not merkle.check_consistency(2, bytes(32), 1, bytes(32), [])


@pytest.mark.parametrize(("size", "count"), [(0, 1), (3, 1), (4, 2), (-1, 0)])
def test_a_frontier_of_another_size_is_refused(size: int, count: int) -> None:
    with pytest.raises(ValueError, match="no frontier"):
        merkle.Frontier(size, [bytes(32)] * count)


def test_a_proof_does_not_fit_a_tree_of_another_height() -> None:
    leaves = hashes(5)
    proof = merkle.consistency_proof(leaves, 4)
    old, new = merkle.root_of(leaves[:4]), merkle.root_of(leaves)
    assert merkle.check_consistency(4, old, 5, new, proof)
    assert not merkle.check_consistency(4, old, 9, new, proof)
    assert merkle.check_consistency(4, old, 5, new, proof)
    assert not merkle.check_consistency(4, old, 9, new, proof)


@given(start=st.integers(0, 70), sizes=st.lists(st.integers(0, 40), max_size=6))
def test_leaves_added_together_make_the_tree_of_leaves_added_one_by_one(start: int, sizes: list[int]) -> None:
    one, many = merkle.Frontier(), merkle.Frontier()
    for number in range(start):
        one.append(merkle.leaf_hash(b"%d" % number))
        many.append(merkle.leaf_hash(b"%d" % number))
    for size in sizes:
        leaves = [merkle.leaf_hash(b"%d" % (one.size + number)) for number in range(size)]
        for leaf in leaves:
            one.append(leaf)
        many.extend(leaves)
        assert (one.size, one.hashes, one.root()) == (many.size, many.hashes, many.root())


def test_a_subtree_begins_only_where_one_can() -> None:
    tree = merkle.Frontier()
    tree.append(merkle.leaf_hash(b"0"))
    with pytest.raises(ValueError, match="begins"):
        tree.extend([merkle.leaf_hash(b"x")], 1)


def test_a_proof_is_made_only_of_what_is_there() -> None:
    leaves = hashes(3)
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(leaves, index)
    for old in (0, -1, 4):
        with pytest.raises(ValueError, match="no proof"):
            merkle.consistency_proof(leaves, old)


def test_a_proof_of_nothing_shows_nothing() -> None:
    root = merkle.root_of(hashes(3))
    assert merkle.check_consistency(3, root, 5, merkle.root_of(hashes(5)), []) is False


def test_a_proof_that_goes_on_above_the_root_shows_nothing() -> None:
    """The hash of the root and something more is the root of another tree, which this is no proof of."""
    leaves, more = hashes(4), bytes(32)
    old, new = merkle.root_of(leaves[:3]), merkle.root_of(leaves)
    proof = [*merkle.consistency_proof(leaves, 3), more]
    forged_old, forged_new = merkle.node_hash(more, old), merkle.node_hash(more, new)
    assert not merkle.check_consistency(3, forged_old, 4, forged_new, proof)
    assert not merkle.check_consistency(3, old, 4, merkle.node_hash(new, more), proof)


def test_only_an_even_number_of_nodes_pairs_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        merkle.pair_up(hashes(3))


def test_a_frontier_has_no_size_below_none() -> None:
    with pytest.raises(ValueError, match="no frontier"):
        merkle.Frontier(-1, [bytes(32)])  # -1 has one bit set
