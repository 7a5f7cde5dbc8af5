"""Regions: create a file atomically, open it only after every check, observe it without mapping it."""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import HEADER, Capability, Kind
from byteor.indexbus.errors import IndexBusError

INITIALIZED = 2
KNOWN_CAPABILITIES = sum(Capability)


@dataclass(frozen=True, slots=True)
class Header:
    """The region header as values. ``capacity`` and ``slot_bytes`` have their defaults filled in."""

    kind: int
    version: int
    capabilities: int
    layout_bytes: int
    initialized: int
    owner_pid: int
    capacity: int
    slot_bytes: int
    lanes: int
    slot_stride: int
    epoch: int
    spec_hash: bytes


# What a kind's geometry expects of a header: the mapped length in bytes, or a sentence on what is wrong.
Expect = Callable[[Header], int | str]


def parse_header(data: bytes) -> Header:
    """The 64 bytes of a header as values; no check but their number."""
    v = HEADER.unpack(data)
    number = {name: value for name, value in v.items() if isinstance(value, int)}
    spec_hash = v["spec_hash"]
    assert isinstance(spec_hash, bytes)
    lines = number["capabilities"] & Capability.LINES
    return Header(
        kind=number["flags"] & 0xFF,
        version=number["version"],
        capabilities=number["capabilities"],
        layout_bytes=number["layout_bytes"] * (abi.LINE if lines else 1),
        initialized=number["initialized"],
        owner_pid=number["owner_pid"],
        capacity=number["capacity"] or abi.DEFAULT_CAPACITY,
        slot_bytes=number["slot_bytes"] or abi.DEFAULT_SLOT_BYTES,
        lanes=number["lanes"],
        slot_stride=number["slot_stride"],
        epoch=number["epoch"],
        spec_hash=spec_hash,
    )


class Region(Closing):
    """An open region file: descriptor, checked header and, for workers, the mapping.

    Everything that a handle needs of the header is copied once, when it is opened: the file is shared
    with processes that may write anything into it.
    """

    def __init__(self, path: Path, fd: int, header: Header, mapping: mmap.mmap | None) -> None:
        self.path = path
        self.fd = fd
        self.header = header
        self._mapping = mapping
        self.observed = mapping is None
        self._identity = _identity(os.fstat(fd))

    @property
    def mapping(self) -> mmap.mmap:
        """The shared memory, writable. Raises ``E_CLOSED`` after ``close`` and for observers."""
        if self._mapping is None:
            raise IndexBusError("E_CLOSED", f"{self.path.name} is not mapped")
        return self._mapping

    def read(self, offset: int, length: int) -> bytes:
        """A copy of some bytes, by ``pread``: a file cut meanwhile gives ``E_REGION_GONE``, never a
        signal.
        """
        if self.fd < 0:
            raise IndexBusError("E_CLOSED", f"{self.path.name} is closed")
        data = os.pread(self.fd, length, offset)
        if len(data) != length:
            raise IndexBusError("E_REGION_GONE", f"{self.path.name} ends before byte {offset + length}")
        return data

    def check_fresh(self) -> None:
        """Raise ``E_REGION_STALE`` when the path holds another file or another epoch than at opening."""
        try:
            same = _identity(self.path.stat()) == self._identity
        except FileNotFoundError:
            same = False
        epoch = int.from_bytes(self.read(HEADER.offset("epoch"), 8), "little")
        if not same or epoch != self.header.epoch:
            raise IndexBusError("E_REGION_STALE", f"{self.path} is not the region that was opened")

    def close(self) -> None:
        """Unmap and close. Handles that still hold the memory keep it until they go."""
        if self._mapping is not None:
            try:
                self._mapping.close()
            except BufferError:
                pass  # a handle or a view still uses it; freed with the last of them
            self._mapping = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def create(
    path: str | os.PathLike[str],
    *,
    kind: Kind,
    capabilities: Capability,
    total: int,
    capacity: int,
    slot_bytes: int,
    lanes: int,
    slot_stride: int,
    spec_hash: bytes = b"",
    contents: Callable[[mmap.mmap], None] | None = None,
) -> Region:
    """Create the file, fill it and give it its name last, so nobody ever opens half a region.

    ``contents`` may write into the zeroed mapping before the name exists. Raises ``E_REGION_EXISTS``,
    ``E_SHM_SPACE``, ``E_REGION_MISSING`` (its folder), ``E_REGION_FILE``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        text = f"no folder {path.parent} for the region"
        raise IndexBusError("E_REGION_MISSING", text, hint="make the folder first") from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise IndexBusError("E_SHM_SPACE", f"no room for {path}") from None
        raise IndexBusError("E_REGION_FILE", f"cannot make {path}: {error.strerror}") from None
    try:
        os.fchmod(fd, 0o600)
        _reserve(fd, total, path)
        mapping = mmap.mmap(fd, total)
        in_lines = total >= 1 << 32
        header = HEADER.pack(
            {
                "magic": abi.MAGIC,
                "version": abi.VERSION,
                "flags": int(kind),
                "capabilities": int(capabilities) | (Capability.LINES if in_lines else 0),
                "layout_bytes": total // abi.LINE if in_lines else total,
                "initialized": INITIALIZED,
                "owner_pid": os.getpid(),
                "capacity": capacity,
                "slot_bytes": slot_bytes,
                "lanes": lanes,
                "slot_stride": slot_stride,
                "epoch": secrets.randbits(63) + 1,
                "spec_hash": spec_hash[:16],
            }
        )
        mapping[: abi.HEADER_BYTES] = header
        if contents is not None:
            contents(mapping)
        _name(temporary, path)
    except BaseException:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        raise
    return Region(path, fd, parse_header(header), mapping)


def open_region(
    path: str | os.PathLike[str],
    kind: Kind | None,
    expect: Expect | None,
    *,
    observe: bool = False,
    init_timeout_s: float = 1.0,
) -> Region:
    """Open a region after every check, each with its own code, in the order of the contract.

    ``kind`` and ``expect`` are ``None`` only for tools that look at any region. An observer gets a read-only
    descriptor and no mapping.
    """
    path = Path(path)
    flags = (os.O_RDONLY if observe else os.O_RDWR) | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        raise IndexBusError("E_REGION_MISSING", f"no region at {path}") from None
    except OSError as error:
        raise IndexBusError("E_REGION_FILE", f"cannot open {path}: {error.strerror}") from None
    try:
        length = _check_file(path, os.fstat(fd), observe=observe)
        header = _check_header(path, fd, length, kind, expect)
        _await_initialized(path, fd, init_timeout_s)
        mapping = None if observe else mmap.mmap(fd, header.layout_bytes)
    except BaseException:
        os.close(fd)
        raise
    return Region(path, fd, header, mapping)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _reserve(fd: int, total: int, path: Path) -> None:
    # A sparse file in a full tmpfs is a SIGBUS at the first write; reserved space is not.
    try:
        os.posix_fallocate(fd, 0, total)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
            raise IndexBusError("E_SHM_SPACE", f"no room for {total} bytes of {path}") from None
        raise


def _name(temporary: Path, path: Path) -> None:
    # link() instead of rename(): it refuses to replace a region that others may be using.
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise IndexBusError("E_REGION_EXISTS", f"{path} exists") from None
    temporary.unlink()


def _check_file(path: Path, status: os.stat_result, *, observe: bool) -> int:
    """The file's length. An observer only copies out what it then doubts, so it may look at a region of
    another user's that was opened to it (``byteor run --group``); nobody works in one.
    """
    if not stat.S_ISREG(status.st_mode):
        raise IndexBusError("E_REGION_FILE", f"{path} is no regular file")
    if not observe and status.st_uid not in (os.geteuid(), 0):
        raise IndexBusError("E_REGION_FILE", f"{path} belongs to uid {status.st_uid}")
    if status.st_mode & 0o022:
        raise IndexBusError(
            "E_REGION_FILE", f"{path} can be written by others (mode {status.st_mode & 0o777:o})"
        )
    return status.st_size


def _check_header(path: Path, fd: int, length: int, kind: Kind | None, expect: Expect | None) -> Header:
    data = os.pread(fd, abi.HEADER_BYTES, 0)
    if length < abi.HEADER_BYTES or len(data) < abi.HEADER_BYTES:
        raise IndexBusError(
            "E_REGION_LENGTH", f"{path} has {length} bytes, a header alone has {abi.HEADER_BYTES}"
        )
    if data[:4] != abi.MAGIC.to_bytes(4, "little"):
        raise IndexBusError("E_REGION_MAGIC", f"{path} does not start with IBUS")
    header = parse_header(data)
    if header.version != abi.VERSION:
        raise IndexBusError("E_REGION_VERSION", f"{path} has version {header.version}, not {abi.VERSION}")
    if header.kind not in set(Kind) or (kind is not None and header.kind != kind):
        wanted = "any known kind" if kind is None else f"{kind.value} ({kind.name.lower()})"
        raise IndexBusError("E_REGION_KIND", f"{path} is of kind {header.kind}, not {wanted}")
    if header.capabilities & ~KNOWN_CAPABILITIES:
        unknown = header.capabilities & ~KNOWN_CAPABILITIES
        raise IndexBusError("E_REGION_CAPABILITIES", f"{path} has unknown capabilities {unknown:#x}")
    if header.layout_bytes % abi.LINE or not abi.HEADER_BYTES <= header.layout_bytes <= length:
        said = header.layout_bytes
        raise IndexBusError("E_REGION_LAYOUT", f"{path} says {said} bytes, the file has {length}")
    wanted_bytes = expect(header) if expect is not None else header.layout_bytes
    if wanted_bytes != header.layout_bytes:
        detail = wanted_bytes if isinstance(wanted_bytes, str) else f"its sizes need {wanted_bytes} bytes"
        raise IndexBusError("E_REGION_GEOMETRY", f"{path}: {detail}")
    return header


def _await_initialized(path: Path, fd: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        data = os.pread(fd, 4, HEADER.offset("initialized"))
        if data == INITIALIZED.to_bytes(4, "little"):
            return
        if time.monotonic() >= deadline:
            raise IndexBusError("E_REGION_INIT", f"{path} was never finished by its creator")
        time.sleep(0.005)
