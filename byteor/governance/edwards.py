"""Which 32 bytes are a sound Ed25519 public key (RFC 8032, 5.1.3), less those anybody can sign for.

The signature library takes keys of small order (for them a signature that fits every message exists) and
encodings that are not canonical (one key under several texts). Both are refused before a key is trusted.
"""

from __future__ import annotations

from typing import Final

P: Final = 2**255 - 19
D: Final = -121665 * pow(121666, P - 2, P) % P
_SIGN: Final = 1 << 255

# The y of every point whose order divides 8 (curve25519 has cofactor 8): order 1, 2, 4, and two of order 8.
_Y_OF_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
SMALL_ORDER_Y: Final = frozenset({1, P - 1, 0, _Y_OF_ORDER_8, P - _Y_OF_ORDER_8})


def why_unsound(key: bytes) -> str | None:
    """Why ``key`` (32 bytes, little endian, top bit the sign of x) is no public key, or ``None``."""
    if len(key) != 32:
        return f"it is {len(key)} bytes long, not 32"
    y = int.from_bytes(key, "little") & (_SIGN - 1)
    if y >= P:
        return "its encoding is not canonical"
    if y in SMALL_ORDER_Y:
        return "it is a point of small order, for which anybody can sign"
    x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if pow(x_squared, (P - 1) // 2, P) != 1:
        return "it is no point of the curve"
    return None
