"""Which URLs and programs governed actions may use: compared as parsed origin and path segments, as paths.

An environment's table says so::

    [environments.prod.actions]
    http = ["https://alerts.example/hooks"]     # absent: whatever policy grants
    exec = ["/usr/bin/notify"]                  # absent: nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from byteor.spec.keys import StageKeyError, exec_program, http_origin


class AllowList(msgspec.Struct, frozen=True):
    """``http`` are URLs, each an origin with a path prefix (None: every URL); ``exec`` programs."""

    http: tuple[str, ...] | None = None
    exec: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        return self == AllowList()


class Target(NamedTuple):
    """A URL as it is asked for: its origin (RFC 6454), path, and path with query."""

    origin: str
    path: str
    request: str


def http_target(url: str) -> Target:
    """``url`` taken apart. Raises ``ValueError`` with a sentence for what a server could read otherwise.

    Dot segments and encoded separators are refused: a prefix that they lead out of would be none.
    """
    try:
        origin = http_origin(url)
    except StageKeyError as error:
        raise ValueError(error.message) from None
    rest = url.partition("://")[2]
    start = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    tail = rest[start:]
    if "#" in tail:
        raise ValueError("a fragment is not sent; leave it out")
    path, mark, query = tail.partition("?")
    path = path or "/"
    if not path.isascii() or not query.isascii() or not (path + query).isprintable():
        raise ValueError("a URL is printable ASCII; encode the rest as %XX")
    for segment in path.split("/"):
        if _ambiguous(segment):
            raise ValueError(f"the path segment `{segment}` may be read as another path")
    return Target(origin, path, path + mark + query)


def _ambiguous(segment: str) -> bool:
    """Whether some server takes ``segment`` for more than one, or for a dot: also behind several encodings,
    and before path parameters."""
    plain, before = segment.encode(), b""
    while plain != before:
        plain, before = unquote_to_bytes(plain), plain
    return plain.partition(b";")[0] in (b".", b"..") or any(byte in plain for byte in b"/\\\0")


def http_listed(url: str, allowed: AllowList) -> bool:
    """Whether ``url`` has the origin of a listed one and lies in its path, by whole segments.

    Raises ``ValueError`` as ``http_target`` does.
    """
    target = http_target(url)
    if allowed.http is None:
        return True
    return any(_covers(http_target(prefix), target) for prefix in allowed.http)


def _covers(prefix: Target, target: Target) -> bool:
    if prefix.origin != target.origin:
        return False
    return target.path == prefix.path or target.path.startswith(prefix.path.removesuffix("/") + "/")


def exec_listed(program: str, allowed: AllowList) -> bool:
    """Whether exactly this path is listed."""
    return program in allowed.exec


def allow_list_problems(http: Sequence[str], programs: Sequence[str]) -> list[str]:
    """What is wrong with the entries of a table."""
    found = []
    for url in http:
        try:
            if "?" in url:
                raise ValueError("a prefix has no query")
            http_target(url)
        except ValueError as error:
            found.append(f"`{url}`: {error}")
    for program in programs:
        try:
            if "|" in program or exec_program(program) != program:
                raise ValueError("a program is listed without arguments")
        except StageKeyError as error:
            found.append(error.message)
        except ValueError as error:
            found.append(f"`{program}`: {error}")
    return found
