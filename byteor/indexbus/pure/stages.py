"""The native stages in Python: the same names in the same order as ``kernel/stages.c``."""

from __future__ import annotations

from collections.abc import Callable

from byteor.indexbus.pure.crc32c import crc32c


class StageRefusal(Exception):
    """A built-in stage cannot handle a message."""


def identity(message: bytes, param: bytes) -> bytes:
    return message


def compute_crc32c(message: bytes, param: bytes) -> bytes:
    crc32c(message)
    return message


def crc32c_append(message: bytes, param: bytes) -> bytes:
    return message + crc32c(message).to_bytes(4, "little")


def crc32c_check(message: bytes, param: bytes) -> bytes:
    if len(message) < 4 or crc32c(message[:-4]) != int.from_bytes(message[-4:], "little"):
        raise StageRefusal("checksum")
    return message


def json_append(message: bytes, param: bytes) -> bytes:
    """Insert ``param`` before the brace that closes the object; see the kernel for what counts as an
    object.
    """
    brace = _closing_brace(message)
    if message[:brace].rstrip(b" \n\r\t").endswith(b"{"):
        param = param.removeprefix(b",")
    return message[:brace] + param + message[brace:]


def _closing_brace(text: bytes) -> int:
    start = len(text) - len(text.lstrip(b" \n\r\t"))
    if text[start : start + 1] != b"{":
        raise StageRefusal("no JSON object")
    depth, i, in_string = 0, start, False
    while i < len(text):
        c = text[i]
        if in_string:
            if c == 0x5C:
                i += 1
            in_string = c != 0x22
        elif c == 0x22:
            in_string = True
        elif c in b"{[":
            depth += 1
        elif c in b"}]":
            depth -= 1
            if depth == 0:
                break
        i += 1
    if text[i : i + 1] != b"}" or text[i + 1 :].strip(b" \n\r\t"):
        raise StageRefusal("no JSON object")
    return i


STAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "identity": identity,
    "crc32c": compute_crc32c,
    "crc32c_append": crc32c_append,
    "crc32c_check": crc32c_check,
    "json_append": json_append,
}
