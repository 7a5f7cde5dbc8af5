"""One text for one value."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.governance.canonical import (
    canonical_json,
    decode_base64url,
    decode_canonical,
    decode_json,
    encode_base64url,
    is_digest,
    is_uuid,
    time_of,
    unix_of,
)

LAST = 253402300799  # 9999-12-31T23:59:59Z


@settings(deadline=None)
@given(st.integers(-62135596800, LAST))
def test_a_moment_survives_and_is_what_the_library_says(unix: int) -> None:
    text = time_of(unix)
    assert unix_of(text) == unix
    assert datetime.fromisoformat(text) == datetime.fromtimestamp(unix, UTC)


@pytest.mark.parametrize("unix", [-62135596801, LAST + 1, 10**30, -(10**30)])
def test_a_moment_outside_the_years_1_to_9999_is_none(unix: int) -> None:
    with pytest.raises(ValueError, match="no such moment"):
        time_of(unix)


@settings(deadline=None)
@given(st.binary(max_size=70))
def test_base64url_survives_without_padding(data: bytes) -> None:
    text = encode_base64url(data)
    assert "=" not in text
    assert decode_base64url(text.encode()) == data


@settings(deadline=None)
@given(st.text("ABCDwxyz0189-_+/=\n ", max_size=12))
def test_only_the_text_that_the_encoder_writes_is_decoded(text: str) -> None:
    try:
        data = decode_base64url(text.encode())
    except ValueError:
        padded = text + "=" * (-len(text) % 4)
        try:
            plain = base64.b64decode(padded, altchars=b"-_", validate=True)
        except ValueError:
            return
        assert encode_base64url(plain) != text
    else:
        assert encode_base64url(data) == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON)
def test_canonical_json_is_rfc_8785(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", {1: 2}, object()])
def test_what_has_no_canonical_text_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(value)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("sha256:" + "0" * 64, True), ("sha256:" + "a" * 64, True), ("sha256:" + "A" * 64, False),
        ("sha256:" + "0" * 63, False), ("sha256:" + "0" * 65, False), ("sha512:" + "0" * 64, False),
        ("0" * 64, False), ("sha256:" + "0" * 64 + "\n", False), ("", False), ("sha256:" + "g" * 64, False),
    ],
)  # fmt: skip
def test_digests(text: str, good: bool) -> None:
    assert is_digest(text) is good


def test_uuids() -> None:
    assert is_uuid("00000000-0000-0000-0000-000000000000")
    assert not is_uuid("00000000-0000-0000-0000-000000000000\n")
    assert not is_uuid("00000000000000000000000000000000")


class Row(msgspec.Struct, forbid_unknown_fields=True):
    a: int


def test_a_text_that_is_not_the_one_text_is_refused() -> None:
    assert decode_canonical(b'{"a":1}', Row) == Row(1)
    for text in (b'{"a": 1}', b'{"a":1}\n', b'{"a":2,"a":1}', b'{"\\u0061":1}'):
        with pytest.raises(ValueError, match="canonical"):
            decode_canonical(text, Row)


def test_a_key_that_stands_twice_is_refused_in_any_layout() -> None:
    assert decode_json(b' { "a" : 1 } ', Row) == Row(1)
    with pytest.raises(ValueError, match="twice"):
        decode_json(b'{"a":2,"a":1}', Row)


def test_a_text_is_read_up_to_its_limit() -> None:
    whole = b'{"a":1}' + b" " * ((1 << 20) - 7)
    assert decode_json(whole, Row) == Row(1)
    with pytest.raises(ValueError, match="bytes long"):
        decode_json(whole + b" ", Row)


def test_the_year_before_the_first_and_other_forms_are_no_moments() -> None:
    for text in (
        "0000-01-01T00:00:00Z",
        "2027-01-15 08:00:00Z",
        "2027-01-15T08:00:00z",
        "x2027-01-15T08:00:00Z",
    ):
        with pytest.raises(ValueError, match=r"no such moment|RFC 3339|year 0"):
            unix_of(text)
    assert unix_of("0001-01-01T00:00:00Z") == -62135596800
