"""Zips written byte by byte, so that they can lie; and the spec that test bundles carry."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

SPEC = b"v=1\nmodel=single_ring\nname=pipe\n"
SPEC_HASH = "sha256:" + hashlib.sha256(SPEC).hexdigest()


@dataclass(frozen=True)
class RawMember:
    """One zip entry; ``central`` and ``local`` override fields of one header only."""

    name: bytes
    data: bytes
    method: int = 0
    flags: int = 0
    attributes: int = 0o100600 << 16
    extra: bytes = b""
    comment: bytes = b""
    packed: bytes | None = None
    central: dict[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)

    def with_(self, **changes: Any) -> RawMember:
        return replace(self, **changes)


def raw_zip(
    members: list[RawMember], *, before: bytes = b"", end: dict[str, int] | None = None, behind: bytes = b""
) -> bytes:
    """The file; ``end`` overrides fields of the end record."""
    body, directory = bytearray(before), bytearray()
    for member in members:
        packed = member.packed
        if packed is None:
            packed = member.data if member.method == 0 else _deflated(member.data)
        fields = {
            "flags": member.flags, "method": member.method, "crc": zlib.crc32(member.data),
            "packed": len(packed), "size": len(member.data), "name": member.name, "extra": member.extra,
            "offset": len(body), "attributes": member.attributes,
        }  # fmt: skip
        central, local = {**fields, **member.central}, {**fields, **member.local}
        body += struct.pack(
            "<IHHHHHIIIHH", 0x04034B50, 20, local["flags"], local["method"], 0, 33, local["crc"],
            local["packed"], local["size"], len(local["name"]), len(local["extra"]),
        ) + local["name"] + local["extra"] + packed  # fmt: skip
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, 0x0314, 20, central["flags"], central["method"], 0, 33,
            central["crc"], central["packed"], central["size"], len(central["name"]),
            len(central["extra"]), len(member.comment), 0, 0, central["attributes"], central["offset"],
        ) + central["name"] + central["extra"] + member.comment  # fmt: skip
    count = min(len(members), 0xFFFF)  # what the form can say
    told = {"disk": 0, "first": 0, "here": count, "entries": count, "length": len(directory)}
    told |= {"start": len(body), "comment": 0} | (end or {})
    tail = struct.pack(
        "<IHHHHIIH",
        0x06054B50,
        *(told[k] for k in ("disk", "first", "here", "entries", "length", "start", "comment")),
    )
    return bytes(body + directory + tail + behind)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
