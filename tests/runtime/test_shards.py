"""The shard of a message is the same everywhere and for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.shards import key_of, shard_of


@pytest.mark.parametrize(
    ("shard_key", "payload", "key"),
    [
        ("bytes:0:4", b"ABCDEF", b"ABCD"),
        ("bytes:4:4", b"ABCDEF", b"EF"),
        ("bytes:9:1", b"ABCDEF", b""),
        ("json:/sym", b'{"sym":"\xc3\xa4"}', b"\xc3\xa4"),
        ("json:/a/1", b'{"a":[1,2]}', b"2"),
        ("json:/a~1b", b'{"a/b":{"x":1}}', b'{"x":1}'),
        ("json:/a", b'{"a":null}', b"null"),
        ("json:/a", b"{}", b""),
        ("json:/a/x", b'{"a":[1]}', b""),
        ("json:/a/9", b'{"a":[1]}', b""),
        ("json:/a/b", b'{"a":"text"}', b""),
        ("json:/a", b"no json", b""),
        ("json:/a", b"\xff\xfe", b""),
        ("json:/a", b"[" * 100_000, b""),
    ],
)
def test_the_key_is_what_the_spec_names(shard_key: str, payload: bytes, key: bytes) -> None:
    assert key_of(shard_key)(payload) == key


def test_shards_never_change_between_versions() -> None:
    place = shard_of("bytes:0:8", 4)
    assert [place(f"order-{n}".encode()) for n in range(12)] == SHARDS


@given(st.binary(max_size=64), st.integers(1, 64))
def test_every_message_has_one_shard_in_range(payload: bytes, shards: int) -> None:
    place = shard_of("bytes:0:8", shards)
    assert place(payload) == place(payload) < shards


SHARDS = [3, 0, 0, 3, 0, 3, 3, 0, 0, 3, 2, 1]
