"""The layout tables: the committed C header is theirs, fields and sections do not overlap."""

from __future__ import annotations

import pytest

from byteor.indexbus import abi
from byteor.indexbus.generate import HEADER
from byteor.indexbus.kernel_choice import kernel


def test_the_committed_c_header_is_what_the_tables_say() -> None:
    assert HEADER.read_text() == abi.c_header()


@pytest.mark.parametrize("layout", abi.LAYOUTS, ids=lambda layout: layout.name)
def test_fields_lie_in_order_aligned_and_inside(layout: abi.Layout) -> None:
    end = 0
    for field in layout.fields:
        assert field.offset >= end
        assert field.offset % min(field.size, 8) == 0
        end = field.offset + field.size
    assert end <= layout.size


@pytest.mark.parametrize("capacity", [2, 64, 1024])
@pytest.mark.parametrize("slot_bytes", [1, 64, 257])
@pytest.mark.parametrize("rings", [1, 3])
def test_sections_follow_each_other_on_lines(capacity: int, slot_bytes: int, rings: int) -> None:
    g = abi.LaneGeometry(
        capacity, slot_bytes, abi.default_stride(slot_bytes), 3, 5, done_count=2, rings=rings
    )
    assert g.problem() is None
    edges = [abi.HEADER_BYTES, g.slots, g.stream, g.done, g.stamps, g.peers, g.extra, g.total]
    assert edges == sorted(edges)
    assert all(edge % abi.LINE == 0 for edge in edges)
    assert g.slot(capacity - 1, rings - 1) + g.stride <= g.stream


def test_both_kernels_name_the_same_stages() -> None:
    assert kernel().NATIVE_STAGES == kernel("pure").NATIVE_STAGES


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_crc32c_gives_the_published_check_values(kernel_name: str, data: bytes, crc: int) -> None:
    assert kernel(kernel_name).crc32c(data) == crc
    half = len(data) // 2
    assert kernel(kernel_name).crc32c(data[half:], kernel(kernel_name).crc32c(data[:half])) == crc
