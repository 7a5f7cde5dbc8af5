"""Framing: chunk borders never show, and no peer can make a decoder keep more than one message."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.edge.framing import KEPT_BYTES, LINES, U32, Untrusted, decoder, encode


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        size = sizes[len(parts) % len(sizes)]
        parts.append(data[at : at + size])
        at += size
    return parts


MESSAGES = st.lists(st.binary(max_size=40), max_size=20)
SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@settings(deadline=None)
@given(messages=MESSAGES, sizes=SIZES)
def test_what_is_encoded_is_decoded_whatever_the_chunks(messages: list[bytes], sizes: list[int]) -> None:
    for framing in (LINES, U32):
        sent = [m.replace(b"\n", b"") for m in messages] if framing == LINES else messages
        found = decoder(framing, 40, lambda first, length: pytest.fail("nothing is too long"))
        data = encode(framing, sent) if sent else b""
        got = [message for chunk in chunks(data, sizes) for message in found.feed(chunk)]
        assert got == sent
        assert not found.partial
        assert found.finish() is None


@settings(deadline=None)
@given(lines=st.lists(st.integers(0, 60), max_size=20), sizes=SIZES, ended=st.booleans())
def test_only_lines_that_are_too_long_are_set_aside(lines: list[int], sizes: list[int], ended: bool) -> None:
    texts = [bytes([97 + index % 26]) * length for index, length in enumerate(lines)]
    data = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    if texts and not ended and not texts[-1]:
        texts.pop()
    told: list[tuple[bytes, int]] = []
    found = decoder(LINES, 20, lambda first, length: told.append((first, length)))
    got = [message for chunk in chunks(data, sizes) for message in found.feed(chunk)]
    last = found.finish()
    got += [] if last is None else [last]
    assert got == [text for text in texts if len(text) <= 20]
    assert [length for _, length in told] == [len(text) for text in texts if len(text) > 20]
    assert [first for first, _ in told] == [text for text in texts if len(text) > 20]


def test_of_an_endless_line_only_the_beginning_is_kept() -> None:
    told: list[tuple[bytes, int]] = []
    found = decoder(LINES, 1000, lambda first, length: told.append((first, length)))
    for _ in range(100):
        assert found.feed(b"x" * 10_000) == []
        assert sum(map(len, found._parts)) <= KEPT_BYTES  # type: ignore[attr-defined]
    assert found.too_long
    assert found.feed(b"y\nnext\n") == [b"next"]
    assert told == [(b"x" * KEPT_BYTES, 1_000_001)]


def test_a_length_over_the_bound_ends_the_stream_after_what_came_before() -> None:
    told: list[int] = []
    found = decoder(U32, 10, lambda first, length: told.append(length))
    with pytest.raises(Untrusted) as caught:
        found.feed(encode(U32, [b"a", b"bb"]) + struct.pack(">I", 0xFFFFFFFF) + b"garbage")
    assert caught.value.messages == [b"a", b"bb"]
    assert told == [0xFFFFFFFF]


def test_a_length_prefix_is_four_bytes_big_endian() -> None:
    assert encode(U32, [b"abc", b""]) == b"\0\0\0\3abc\0\0\0\0"
