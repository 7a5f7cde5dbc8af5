"""CRC-32C (Castagnoli, RFC 3720 B.4) by table."""

from __future__ import annotations


def _row(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0x82F63B78 if index & 1 else 0)
    return index


_TABLE = tuple(_row(index) for index in range(256))


def crc32c(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """The checksum of ``data``, continuing from ``crc``."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
