"""Keys for which anybody can sign, and keys with two spellings, are never trusted."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from byteor.governance.canonical import encode_base64url
from byteor.governance.credential import verify_credential
from byteor.governance.edwards import D, P, why_unsound
from byteor.governance.errors import GovernanceError
from byteor.governance.keyset import read_key_set

# The 14 encodings of points of small order, as published for curve25519: the five y of order 1, 2, 4 and 8
# and the two that are not reduced, each with either sign.
_Y = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
SMALL_ORDER = [bytes.fromhex(y) for y in _Y]
SMALL_ORDER += [key[:31] + bytes([key[31] | 0x80]) for key in SMALL_ORDER]


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """The sum of two points in affine coordinates (RFC 8032, 5.1.4, without the shortcuts)."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + y1 * x2) * pow(1 + t, P - 2, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P,
    )


def test_the_fourteen_are_what_they_are_said_to_be() -> None:
    """Eight times each of the reduced points is the neutral element: they are computed, not believed."""
    assert len(set(SMALL_ORDER)) == 14
    for encoded in SMALL_ORDER:
        y = (int.from_bytes(encoded, "little") & (2**255 - 1)) % P
        square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
        root = pow(square, (P + 3) // 8, P)
        if (root * root - square) % P:
            root = root * pow(2, (P - 1) // 4, P) % P
        assert (root * root - square) % P == 0
        point = (root, y)
        for _ in range(3):
            point = add(point, point)
        assert point == (0, 1)


@pytest.mark.parametrize("key", SMALL_ORDER, ids=[key.hex() for key in SMALL_ORDER])
def test_a_key_of_small_order_is_refused(key: bytes, world: Any) -> None:
    y = int.from_bytes(key, "little") & ((1 << 255) - 1)
    assert "small order" in (why_unsound(key) or "") or y >= P
    bad = world.key("alice", public_key=encode_base64url(key))
    with pytest.raises(GovernanceError) as caught:
        read_key_set(world.as_json(world.key_set(bad, world.key("bob"))))
    assert caught.value.code == "E_KEYSET"


def test_the_library_takes_a_signature_of_a_small_order_key() -> None:
    """Why the check is there: should the library ever refuse them itself, this test says so."""
    taken = 0
    for encoded in SMALL_ORDER:
        key = Ed25519PublicKey.from_public_bytes(encoded)
        for number in range(64):
            try:
                key.verify(SMALL_ORDER[1] + bytes(32), b"message %d" % number)
                taken += 1
            except InvalidSignature:
                pass
    assert taken > 0


@pytest.mark.parametrize("excess", range(19))
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_an_encoding_that_is_not_reduced_is_refused(excess: int, sign: int) -> None:
    assert why_unsound((P + excess | sign).to_bytes(32, "little")) == "its encoding is not canonical"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    assert why_unsound(b"\x05" * length)


def test_half_of_all_bytes_are_no_point() -> None:
    refused = sum(
        why_unsound(hashlib.sha256(b"%d" % n).digest()[:31] + b"\0") is not None for n in range(200)
    )
    assert 60 < refused < 140


def test_points_are_told_from_others_as_a_root_tells_them() -> None:
    """Also points outside of the subgroup of keys. P is 5 mod 8: a square's root is x^((P+3)/8), or that
    times the root of -1."""
    d = -121665 * pow(121666, -1, P) % P
    for y in range(2, 80):
        squared = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
        root = pow(squared, (P + 3) // 8, P)
        is_point = root * root % P in (squared, P - squared)
        assert (why_unsound(y.to_bytes(32, "little")) is None) == is_point, y


def test_every_honest_key_is_sound() -> None:
    for _ in range(100):
        raw = Ed25519PrivateKey.from_private_bytes(os.urandom(32)).public_key().public_bytes_raw()
        assert why_unsound(raw) is None


@pytest.mark.campaign
def test_no_credential_of_a_small_order_key_is_taken_for_a_thousand_messages(world: Any) -> None:
    """14 encodings x 1,000 messages. A key set that holds one is refused before any message is looked at."""
    for encoded in SMALL_ORDER:
        bad = world.key("alice", public_key=encode_base64url(encoded))
        keys = world.as_json(world.key_set(bad))
        for number in range(1000):
            token = world.credential("alice", issued_by="alice", org_id=f"acme-{number}")
            forged = token.split(".")[0] + "." + encode_base64url(SMALL_ORDER[1] + bytes(32))
            with pytest.raises(GovernanceError):
                verify_credential(forged, keys=read_key_set(keys), wanted=world.wanted, now=world.now)
