"""Opening a bundle without extracting it: a folder or a zip, only names that are known, bounded."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any, Protocol

import msgspec

from byteor.closing import Closing
from byteor.incident.bundle.depth import deeper_than
from byteor.incident.bundle.members import (
    CAPTURE,
    DEPTH,
    FOLDERS,
    JSON_BYTES,
    MEMBER_BYTES,
    MEMBERS,
    SPEC,
    TOTAL_BYTES,
    allowed,
    is_json,
)
from byteor.incident.bundle.problems import malformed, not_found, too_much, unsafe
from byteor.incident.bundle.zip_file import ZipMembers
from byteor.incident.recording import Recording, frames_of_segments, missing, read_facts


class _Members(Protocol):
    def sizes(self) -> dict[str, int]: ...

    def read(self, name: str) -> bytes: ...


class Bundle(Closing):
    """An open bundle. Nothing of it was believed yet but its shape; ``verify`` checks what it says."""

    def __init__(self, path: Path) -> None:
        """Raises ``E_BUNDLE_NOT_FOUND``, ``E_BUNDLE_UNSAFE``, ``E_BUNDLE_LIMIT``."""
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise not_found(path) from None
        try:
            kind = os.fstat(self._handle).st_mode
            if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
                raise unsafe("it is neither a file nor a folder")
            self._members: _Members = (
                _Folder(self._handle) if stat.S_ISDIR(kind) else ZipMembers(self._handle)
            )
            self.sizes = self._members.sizes()
            together = sum(size for name, size in self.sizes.items() if is_json(name))
            if together > JSON_BYTES:
                raise too_much(f"its JSON members have {together:,} bytes")
        except BaseException:
            os.close(self._handle)
            raise

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises ``E_BUNDLE_FORMAT`` when it is missing, ``E_BUNDLE_UNSAFE``."""
        if name not in self.sizes:
            raise malformed(f"{name} is missing")
        data = self._members.read(name)
        if is_json(name) and deeper_than(data, DEPTH):
            raise too_much(f"{name} nests deeper than {DEPTH}")
        return data

    def json(self, name: str) -> Any:
        """The value of a JSON member. Raises ``E_BUNDLE_FORMAT`` too."""
        try:
            return msgspec.json.decode(self.read(name))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(f"{name} is no JSON: {error}") from None

    def recording(self) -> Recording:
        """The captured slice. Raises ``E_CAPTURE_MISSING`` when the bundle has none."""
        journal = sorted(name for name in self.sizes if name.startswith("journal/"))
        if CAPTURE not in self.sizes or not journal:
            raise missing(f"the bundle {self.path}")
        facts = read_facts(self.read(CAPTURE))
        return Recording(
            str(self.path),
            facts,
            self.read(SPEC),
            lambda: (found for name in journal for found in frames_of_segments([self.read(name)])),
        )

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class _Folder:
    """The members of a folder, reached from its descriptor: no link is followed, no name leaves it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._sizes: dict[str, int] = {}
        self._scan(handle, "")

    def _scan(self, handle: int, prefix: str) -> None:
        with os.scandir(handle) as entries:
            for entry in entries:
                name = prefix + entry.name
                if not prefix and entry.name in FOLDERS and entry.is_dir(follow_symlinks=False):
                    with _opened(entry.name, handle, os.O_DIRECTORY) as inner:
                        self._scan(inner, f"{entry.name}/")
                    continue
                if not allowed(name):
                    raise unsafe(f"{name[:80]!r} is a name that no bundle has")
                status = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    raise unsafe(f"{name} is no plain file")
                self._sizes[name] = status.st_size
                total = sum(self._sizes.values())
                if status.st_size > MEMBER_BYTES or total > TOTAL_BYTES or len(self._sizes) > MEMBERS:
                    raise too_much(f"{name} has {status.st_size:,} bytes, all together {total:,}")

    def sizes(self) -> dict[str, int]:
        return dict(self._sizes)

    def read(self, name: str) -> bytes:
        folder, slash, file = name.rpartition("/")
        with contextlib.ExitStack() as stack:
            inside = (
                stack.enter_context(_opened(folder, self._handle, os.O_DIRECTORY)) if slash else self._handle
            )
            handle = stack.enter_context(_opened(file, inside, os.O_NONBLOCK))
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise unsafe(f"{name} is no plain file")
            data, wanted = bytearray(), self._sizes[name]
            while len(data) <= wanted and (piece := os.read(handle, wanted + 1 - len(data))):
                data += piece
        if len(data) != wanted:
            raise unsafe(f"{name} changes while it is read")
        return bytes(data)


@contextlib.contextmanager
def _opened(name: str, folder: int, flags: int) -> Any:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, dir_fd=folder)
    except OSError as error:
        raise unsafe(f"{name} cannot be opened: {error.strerror}") from None
    try:
        yield handle
    finally:
        os.close(handle)
