"""The one place with offsets and constants of everything in shared memory; the C header is generated from it.

Every region starts with the same header::

    0       4     6      8              12             16            20          24
    | magic | ver | kind | capabilities | layout_bytes | initialized | owner_pid | capacity |
    28           32      36       40      48                 64
    | slot_bytes | lanes | stride | epoch | spec_hash prefix | first section ...

A sequenced-slots region (one producer, up to four gated stages)::

    64    cursor cell      messages published; a cell: value u64, wake u32, parked u32, one cache line
    128   4 gating cells   messages finished, as the producer sees it (header ``lanes``: how many count)
    384   capacity slots   length u32, flags u16, ingress u16, origin u64, payload;
                           sequence s lies in slot s mod capacity
    end   stream section   state, who aborted and why, which gates the egress releases
          4 done cells     messages finished by a stage whose gate the egress releases
          256 stamps       (sequence, ns) of sampled messages
          6 peers          producer, stages 0..3, egress: pid, flags, start time, claimed sequence

How the egress releases on behalf of terminal stages: a stage that another stage depends on publishes its own
gating cell, and its dependants wait on that. A terminal stage (bit set in ``stream.egress_mask``) publishes
its *done* cell instead; the egress waits on the done cells of all terminal stages and, when it has handed a
message on, publishes their gating cells. So the producer, which only reads gating cells, cannot reuse a slot
before the egress is through with it, and no fifth gate is needed. With no stages at all the egress waits on
the cursor and publishes gate 0.

A journal with registered readers (a journal lane; header ``lanes``: 1 and the readers) has, behind the
window, a peer for the writer and each reader, a stream section, a cell of the writer and a cell a reader; the
writer never passes the slowest of these cells plus the window.

An events lane with many producers has the capability MARKERS and, behind its peers, a word a slot: the slot
of sequence s is published when its marker is s + 1.

Cells count and wrap at 2**64: compare only by signed difference. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

LINE = 64
MAGIC = 0x53554249  # "IBUS"
VERSION = 1
HEADER_BYTES = 64
DEFAULT_CAPACITY = 1024
DEFAULT_SLOT_BYTES = 256
MAX_GATES = 4
U64 = (1 << 64) - 1


class Kind(IntEnum):
    """What a region is (low 8 bits of the header's flags)."""

    EVENTS = 1
    FANOUT = 2
    JOURNAL = 3
    STATE = 4
    SEQUENCER = 5
    SEQUENCED_SLOTS = 101
    METRICS = 102


class End(IntEnum):
    """Why a call or a loop of a handle ended; the C kernel uses the same numbers."""

    OK = 0
    TIMEOUT = 1
    FINISHED = 2  # the stream was closed and everything before the end is handled
    ABORTED = 3
    STOPPED = 4  # this handle's stop() was called
    DEAD = 5
    CORRUPT = 6
    TICK = 7  # inside the kernel only
    STAGE_ERROR = 8
    TOO_LONG = 9


class Wait(IntEnum):
    """How a handle waits. ``docs/lanes/waiting.md`` has what each costs."""

    SPIN = 0
    YIELD = 1
    BACKOFF = 2
    BLOCK = 3


class Capability(IntFlag):
    """Which sections and behaviours a region has; an unknown bit makes a reader refuse."""

    EVENTS = 1
    FANOUT = 2
    JOURNAL = 4
    STATE = 8
    SEQUENCER = 16
    BLOCKING = 32
    GEOMETRY = 64
    LINES = 128  # layout_bytes counts 64-byte lines
    SEQUENCED_SLOTS = 1 << 17
    METRICS = 1 << 18
    MARKERS = 1 << 19  # many producers: a slot is published by its word in a section at the end


@dataclass(frozen=True, slots=True)
class Field:
    """One field: byte offset in its section and a ``struct`` format (little-endian)."""

    name: str
    offset: int
    format: str
    note: str

    @property
    def size(self) -> int:
        return struct.calcsize("<" + self.format)


@dataclass(frozen=True, slots=True)
class Layout:
    """A section: its name, its size in bytes and its fields in order of offset."""

    name: str
    size: int
    fields: tuple[Field, ...]

    def offset(self, name: str) -> int:
        return next(field.offset for field in self.fields if field.name == name)

    def unpack(self, data: bytes | bytearray | memoryview, at: int = 0) -> dict[str, int | bytes]:
        """Every field's value from ``data`` at ``at`` (a copy taken before; not for live words)."""
        return {f.name: struct.unpack_from("<" + f.format, data, at + f.offset)[0] for f in self.fields}

    def pack(self, values: dict[str, int | bytes]) -> bytes:
        """A section's bytes with ``values`` set and everything else zero."""
        out = bytearray(self.size)
        for field in self.fields:
            if field.name in values:
                struct.pack_into("<" + field.format, out, field.offset, values[field.name])
        return bytes(out)


HEADER = Layout(
    "header",
    HEADER_BYTES,
    (
        Field("magic", 0, "I", 'the bytes "IBUS"'),
        Field("version", 4, "H", "1; only grows"),
        Field("flags", 6, "H", "low 8 bits: region kind"),
        Field("capabilities", 8, "I", "which sections exist"),
        Field("layout_bytes", 12, "I", "whole mapped length in bytes, or in lines with capability 128"),
        Field("initialized", 16, "I", "0 no, 1 in progress, 2 done"),
        Field("owner_pid", 20, "I", "creator, for diagnosis only"),
        Field("capacity", 24, "I", "slots, rows or bytes by kind; 0 means 1024"),
        Field("slot_bytes", 28, "I", "payload bytes that a slot holds; 0 means 256"),
        Field("lanes", 32, "I", "gates, consumers or producers by kind"),
        Field("slot_stride", 36, "I", "bytes from slot to slot"),
        Field("epoch", 40, "Q", "random per creation"),
        Field("spec_hash", 48, "16s", "first half of the spec's SHA-256"),
    ),
)

CELL = Layout(
    "cell",
    LINE,
    (
        Field("value", 0, "Q", "a cursor or a gating sequence: a count"),
        Field("wake", 8, "I", "futex word, bumped at each wake"),
        Field("parked", 12, "I", "1 while somebody may sleep on wake"),
        Field("count", 16, "Q", "journal lanes only: messages, where the value is a position in bytes"),
    ),
)

SLOT = Layout(
    "slot",
    16,
    (
        Field("length", 0, "I", "payload bytes"),
        Field("flags", 4, "H", "1 filtered, 2 aborted, 4 stamped, 8 watermark: no message, only its origin"),
        Field("ingress", 6, "H", "which ingress it came by"),
        Field("origin", 8, "Q", "ticket of arrival; a watermark: nothing lower follows on this lane"),
    ),
)

STREAM = Layout(
    "stream",
    LINE,
    (
        Field(
            "state",
            0,
            "I",
            "0 open; byte 0: closed, byte 1: aborted (two bytes, so that neither undoes the other)",
        ),
        Field("reason", 4, "I", "free number of whoever aborted"),
        Field("role", 8, "I", "peer index of whoever aborted; 0xffffffff unknown"),
        Field("egress_mask", 12, "I", "bit i: gate i is released by the egress"),
        Field("sequence", 16, "Q", "the sequence at which it aborted"),
    ),
)

STAMP = Layout(
    "stamp",
    16,
    (
        Field("sequence", 0, "Q", "which message; written last"),
        Field("time_ns", 8, "Q", "CLOCK_MONOTONIC when its batch was published"),
    ),
)

PEER = Layout(
    "peer",
    LINE,
    (
        Field("pid", 0, "I", "0: nobody attached"),
        Field(
            "flags", 4, "I", "1: takes part in membarrier, 2: this producer has closed its end of the stream"
        ),
        Field("start_time", 8, "Q", "clock ticks after boot, from /proc/PID/stat"),
        Field("claimed", 16, "Q", "MPSC: first sequence claimed but perhaps not published"),
        Field("attached_ns", 24, "Q", "CLOCK_MONOTONIC when it attached"),
        Field("claimed_count", 32, "Q", "how many slots from claimed; 0: none"),
    ),
)

METRICS_ROW = Layout(
    "metrics_row",
    1152,
    (
        Field("name", 0, "32s", "UTF-8, zero padded"),
        Field("key", 32, "96s", "stage or adapter key, UTF-8, zero padded"),
        Field("role", 128, "I", "0 source, 1 stage, 2 sink, 3 bridge, 4 router, 5 merge, 6 lane"),
        Field("where", 132, "I", "0 thread, 1 process"),
        Field("pid", 136, "I", ""),
        Field("state", 140, "I", "0 starting, 1 running, 2 draining, 3 finished, 4 failed"),
        Field("pid_start", 144, "Q", "clock ticks after boot"),
        Field("heartbeat_ns", 152, "Q", "CLOCK_MONOTONIC of the last sign of life"),
        Field("in", 192, "Q", "messages taken"),
        Field("out", 200, "Q", "messages handed on"),
        Field("filtered", 208, "Q", "messages dropped by decision of a stage"),
        Field("dropped", 216, "Q", "messages lost to a full lane or set aside; the sum of the causes below"),
        Field("errors", 224, "Q", ""),
        Field("busy_ns", 232, "Q", ""),
        Field("idle_ns", 240, "Q", ""),
        Field("batches", 248, "Q", ""),
        Field("batch_max", 256, "Q", ""),
        Field("full_waits", 264, "Q", "times the producer had to wait for a gate"),
        Field("high_water", 272, "Q", "a lane: most messages that were in it at once, as its writer saw it"),
        Field("dropped_full", 280, "Q", "dropped: the lane had no room"),
        Field("dropped_aborted", 288, "Q", "dropped: claimed by a producer that died"),
        Field("dropped_oversize", 296, "Q", "dropped: larger than a slot, set aside"),
        Field("dropped_no_credit", 304, "Q", "dropped: the consumer had granted no credit"),
        Field(
            "in_hand", 312, "Q", "a Python stage: 1 + sequence that it was last given, of a batch the first"
        ),
        Field("error_sequence", 320, "Q", "sequence of the last error"),
        Field("error_version", 328, "Q", "odd while error_text is being written"),
        Field("error_text", 336, "256s", "UTF-8, zero padded"),
        Field("latency_ns", 592, "Q", "sum of the latencies that the histogram counts"),
        Field("histogram", 640, "512s", "64 u64: count of latencies with that many bits, in ns"),
    ),
)


RECORD = Layout(
    "record",
    8,
    (
        Field("length", 0, "I", "payload bytes; a CRC-32C of 4 bytes follows the payload"),
        Field(
            "flags", 4, "I", "1 committed, 2 padding: nothing but room up to the end of the window or segment"
        ),
    ),
)

SEGMENT = Layout(
    "segment",
    64,
    (
        Field("magic", 0, "I", 'the bytes "IBJS"'),
        Field("version", 4, "I", "1"),
        Field("position", 8, "Q", "the journal position of the first record"),
        Field("size", 16, "Q", "bytes of the file, header included"),
        Field("epoch", 24, "Q", "random per journal; the same in all its segments"),
        Field("sealed", 32, "I", "1: full and synced; recovery walks only what is not sealed"),
    ),
)

LAYOUTS = (HEADER, CELL, SLOT, STREAM, STAMP, PEER, METRICS_ROW, RECORD, SEGMENT)

ROUTER_COUNTERS = (
    "routed", "delivered", "dropped_full", "dropped_all_full", "dropped_no_credit", "credit_waits",
    "detaches", "idle_waits", "batches", "batch_max",
)  # fmt: skip

RECORD_COMMITTED, RECORD_PADDING = 1, 2
SEGMENT_MAGIC = 0x534A4249  # "IBJS"

# Sequenced slots
CURSOR_AT = 64
GATES_AT = 128
SLOTS_AT = 384
STAMPS = 256
SLOT_HEADER = SLOT.size
FILTERED, ABORTED, STAMPED, WATERMARK = 1, 2, 4, 8
PEER_PRODUCER, PEER_STAGE, PEER_EGRESS, PEERS = 0, 1, 5, 6
OPEN, CLOSED, ABORTED_STREAM = 0, 1, 0x100
HISTOGRAM_AT = 640
HISTOGRAM_BUCKETS = 64
PEER_FENCED, PEER_DONE = 1, 2


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def stamp_index(sequence: int) -> int:
    """Where the stamp of ``sequence`` lies; folds the bits, since batches start at round numbers."""
    return (sequence ^ (sequence >> 6) ^ (sequence >> 12)) & (STAMPS - 1)


@dataclass(frozen=True, slots=True)
class LaneGeometry:
    """Where things lie in a lane of slots; a pure function of the header's numbers and the lane's kind.

    ``cells`` cells from byte 64, ``rings`` times ``capacity`` slots, then the sections in their order.
    """

    capacity: int
    slot_bytes: int
    stride: int
    cells: int
    peers_count: int
    done_count: int = 0
    rings: int = 1
    extra_bytes: int = 0

    def cell(self, index: int) -> int:
        return CURSOR_AT + index * LINE

    @property
    def slots(self) -> int:
        return self.cell(self.cells)

    @property
    def ring_bytes(self) -> int:
        return round_up(self.capacity * self.stride, LINE)

    @property
    def stream(self) -> int:
        return self.slots + self.rings * self.ring_bytes

    @property
    def done(self) -> int:
        return self.stream + LINE

    @property
    def stamps(self) -> int:
        return self.done + self.done_count * LINE

    @property
    def peers(self) -> int:
        return self.stamps + STAMPS * STAMP.size

    @property
    def extra(self) -> int:
        return self.peers + self.peers_count * PEER.size

    @property
    def total(self) -> int:
        return self.extra + round_up(self.extra_bytes, LINE)

    def slot(self, sequence: int, ring: int = 0) -> int:
        return self.slots + ring * self.ring_bytes + (sequence & (self.capacity - 1)) * self.stride

    def problem(self) -> str | None:
        """What is wrong with these numbers, or ``None``. A power of two, so that counters may wrap."""
        if self.capacity < 2 or self.capacity & (self.capacity - 1) or self.capacity > 1 << 30:
            return f"capacity {self.capacity} is no power of two from 2 to 2^30"
        if not 1 <= self.slot_bytes <= 1 << 30:
            return f"slot_bytes {self.slot_bytes} is not from 1 to 2^30"
        if self.stride % 16 or self.stride < SLOT_HEADER + self.slot_bytes:
            return f"stride {self.stride} does not hold {self.slot_bytes} bytes and the slot's header"
        if self.total >= LINE << 32:
            return "larger than a header can say"
        return None


def default_stride(slot_bytes: int) -> int:
    """Bytes from slot to slot: header and payload, without padding to lines (measured: faster in batches)."""
    return round_up(SLOT_HEADER + slot_bytes, 16)


def c_header() -> str:
    """The text of ``kernel/abi.h``."""
    lines = [
        "/* Generated from byteor/indexbus/abi.py by `python -m byteor.indexbus.generate`; do not edit. */",
        "#ifndef IB_ABI_H",
        "#define IB_ABI_H",
        "",
    ]
    for name in _C_CONSTANTS:
        value = globals()[name]
        lines.append(f"#define IB_{name} {value:#x}u" if value > 0xFFFF else f"#define IB_{name} {value}")
    lines += [f"#define IB_KIND_{kind.name} {kind.value}" for kind in Kind]
    for layout in LAYOUTS:
        prefix = f"IB_{layout.name.upper()}"
        lines += ["", f"#define {prefix}_BYTES {layout.size}"]
        lines += [f"#define {prefix}_{field.name.upper()} {field.offset}" for field in layout.fields]
    return "\n".join([*lines, "", "#endif", ""])


_C_CONSTANTS = (
    "LINE", "MAGIC", "VERSION", "MAX_GATES", "CURSOR_AT", "GATES_AT", "SLOTS_AT", "STAMPS", "FILTERED",
    "ABORTED", "STAMPED", "WATERMARK", "PEER_PRODUCER", "PEER_STAGE", "PEER_EGRESS", "PEERS", "OPEN",
    "CLOSED", "ABORTED_STREAM", "HISTOGRAM_BUCKETS", "RECORD_COMMITTED", "RECORD_PADDING",
)  # fmt: skip
