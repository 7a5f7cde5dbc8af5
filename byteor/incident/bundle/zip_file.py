"""Reading a zip that somebody else made: never extracted, every size and offset checked before it is used.

Only the plainest form is taken: members side by side from the first byte to the directory, no extra fields,
no encryption, no comments, no zip64. What hides data or lies about sizes cannot be said in that form.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib

from byteor.incident.bundle.members import MEMBER_BYTES, MEMBERS, RATIO, TOTAL_BYTES, allowed
from byteor.incident.bundle.problems import too_much, unsafe

_END = struct.Struct("<IHHHHIIH")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_END_MAGIC, _LOCAL_MAGIC = 0x06054B50, 0x04034B50
_UTF8 = 0x800
DIRECTORY_BYTES = MEMBERS * 256
FILE_BYTES = TOTAL_BYTES + DIRECTORY_BYTES + MEMBERS * 256


class ZipMembers:
    """The members of the zip behind ``handle``, checked; ``read`` gives one, bounded by what it declared."""

    def __init__(self, handle: int) -> None:
        """Raises ``E_BUNDLE_UNSAFE``, ``E_BUNDLE_LIMIT``. ``handle`` stays the caller's."""
        self._handle = handle
        self._infos = _directory(handle)
        self._starts = {name: _data_start(handle, info) for name, info in self._infos.items()}
        _check_layout(self._infos, self._starts, _directory_start(handle)[0])

    def sizes(self) -> dict[str, int]:
        """The size of each member, by name."""
        return {name: info.file_size for name, info in self._infos.items()}

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises ``E_BUNDLE_UNSAFE`` when they are not what the directory says."""
        info = self._infos[name]
        data = os.pread(self._handle, info.compress_size, self._starts[name])
        if info.compress_type == zipfile.ZIP_DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                data = inflater.decompress(data, info.file_size + 1)
            except zlib.error as error:
                raise unsafe(f"{name} does not inflate: {error}") from None
            if not inflater.eof or inflater.unused_data:
                raise unsafe(f"{name} is not as long as it says")
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise unsafe(f"{name} is not what the directory says")
        return data


def _directory_start(handle: int) -> tuple[int, int]:
    """(where the central directory begins, bytes of it)."""
    size = os.fstat(handle).st_size
    if size > FILE_BYTES:
        raise too_much(f"the file has {size:,} bytes")
    end = os.pread(handle, _END.size, max(0, size - _END.size))
    if len(end) != _END.size:
        raise unsafe("it is no zip file")
    magic, disk, first, here, entries, length, start, comment = _END.unpack(end)
    if magic != _END_MAGIC or comment or disk or first or here != entries:
        raise unsafe("it is no zip file, or one with something behind its directory")
    if entries > MEMBERS or length > DIRECTORY_BYTES:
        raise too_much(f"it has {entries:,} members in a directory of {length:,} bytes")
    if start + length != size - _END.size:
        raise unsafe("its directory does not lie at its end")
    return start, length


def _directory(handle: int) -> dict[str, zipfile.ZipInfo]:
    _directory_start(handle)  # bounds what the library parses
    try:
        # The library's own file object: it must not close ours.
        with open(os.dup(handle), "rb") as file, zipfile.ZipFile(file) as archive:  # noqa: PTH123
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        raise unsafe(f"its directory cannot be read: {error}") from None
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in infos:
        if (why := _objection(info)) is not None:
            raise unsafe(f"member {info.orig_filename[:80]!r} {why}")
        if info.filename in found:
            raise unsafe(f"member {info.filename} stands twice")
        total += info.file_size
        if info.file_size > MEMBER_BYTES or total > TOTAL_BYTES:
            raise too_much(f"{info.filename} has {info.file_size:,} bytes, all together {total:,}")
        if info.file_size > RATIO * max(info.compress_size, 1):
            raise too_much(f"{info.filename} inflates {info.compress_size:,} bytes to {info.file_size:,}")
        found[info.filename] = info
    return found


def _objection(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.filename != info.orig_filename or not allowed(info.filename):
        return "has a name that no bundle has"
    if kind not in (0, stat.S_IFREG):
        return "is no plain file"
    if info.flag_bits & ~_UTF8:
        return "is encrypted, or of a form that is not taken"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that is not taken"
    if info.extra or info.comment or info.volume:
        return "carries something beside its data"
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        return "says two sizes"
    return None


def _data_start(handle: int, info: zipfile.ZipInfo) -> int:
    """Where the data begins; the local header must say what the directory says."""
    head = os.pread(handle, _LOCAL.size, info.header_offset)
    if len(head) != _LOCAL.size:
        raise unsafe(f"{info.filename} lies outside the file")
    magic, _, flags, method, _, _, crc, packed, size, name_bytes, extra = _LOCAL.unpack(head)
    name = os.pread(handle, name_bytes, info.header_offset + _LOCAL.size)
    said = (magic, flags, method, crc, packed, size, name, extra)
    wanted = (
        _LOCAL_MAGIC,
        info.flag_bits,
        info.compress_type,
        info.CRC,
        info.compress_size,
        info.file_size,
        info.filename.encode(),
        0,
    )
    if said != wanted:
        raise unsafe(f"{info.filename} has a header that differs from the directory")
    return info.header_offset + _LOCAL.size + int(name_bytes)


def _check_layout(infos: dict[str, zipfile.ZipInfo], starts: dict[str, int], directory: int) -> None:
    """Members lie side by side: none overlaps another, nothing is hidden between them."""
    at = 0
    for name, info in sorted(infos.items(), key=lambda item: item[1].header_offset):
        if info.header_offset != at:
            raise unsafe(f"{name} overlaps another member, or there is a gap before it")
        at = starts[name] + info.compress_size
    if at != directory:
        raise unsafe("something lies between the last member and the directory")
