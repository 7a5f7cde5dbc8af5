"""The table of sources and sinks. Help, ``byteor edge``, the docs and the parser are made from it.

An adapter's module is imported when its kind is named: a run pays for what it uses.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import NamedTuple, cast

from byteor.edge.errors import EdgeError
from byteor.edge.spelling import Option, flag, number, one_of, spelled, text, whole
from byteor.errors import Exit
from byteor.runtime.adapter import Sink, Source


class Kind(NamedTuple):
    """One kind of source or sink. ``maker`` is ``module:function`` inside ``byteor.edge``."""

    usage: str
    doc: str
    delivery: str  # what may be lost or doubled, in one line
    maker: str
    options: tuple[Option, ...] = ()


FRAMING = Option(
    "framing",
    one_of("lines", "u32"),
    "lines",
    "lines, or u32: each message after its length, 4 bytes big endian",
)
MAX_BYTES = Option(
    "max_bytes", whole(1, 1 << 20), 1 << 20, "the longest message in bytes; longer ones are refused"
)
CHECKPOINT = Option("checkpoint", text, None, "a file that keeps the position, to go on from after a restart")
FOLLOW = Option("follow", flag, False, "1: wait for more at the end, and never end")
GIVE_UP = Option(
    "give_up_s", number(0, 86_400), 60.0, "seconds without the peer after which the run fails; 0: never"
)
CONNECTIONS = Option("max_connections", whole(1, 4096), 64, "peers at the same time; more are turned away")
IDLE = Option("idle_s", number(0, 86_400), 600.0, "seconds after which a silent peer is let go; 0: never")
TOKEN = Option("token_file", text, None, "a file with the bearer token")
LISTEN = Option("mode", one_of("listen", "connect"), "listen", "listen for peers, or connect to one")
STREAM = (FRAMING, MAX_BYTES, CONNECTIONS, IDLE, GIVE_UP)
COLUMN = "the column that is the message"

ONCE = "what is in the file is read once"
RESUMED = "at least once with checkpoint=, from the start each time without it"
STREAM_IN = "at most once: what lay in the connection when one side went is lost"
NOTHING = "no promise: a datagram may be lost, doubled or swapped"

SOURCES: Mapping[str, Kind] = {
    "file": Kind(
        "file:PATH", "the lines of a file, from its start to its end; follow=1 like tail -F",
        RESUMED, "files:file_source",
        (
            FRAMING, FOLLOW, CHECKPOINT,
            Option("start", text, "beginning", "with follow=1: beginning, end or an offset in bytes"),
        ),
    ),
    "stdin": Kind(
        "stdin:", "the lines of standard input", "at most once: what was read is gone", "files:stdin_source",
        (FRAMING,),
    ),
    "tcp": Kind(
        "tcp:HOST:PORT", "lines from many peers; loopback when HOST is left out", STREAM_IN,
        "stream_source:tcp_source",
        (*STREAM, LISTEN),
    ),
    "unix": Kind(
        "unix:PATH", "lines from the peers of a Unix socket, which only this user may reach", STREAM_IN,
        "stream_source:unix_source",
        (*STREAM, LISTEN),
    ),
    "udp": Kind(
        "udp:HOST:PORT", "datagrams; loopback when HOST is left out", NOTHING, "udp:udp_source",
        (
            Option("framing", one_of("datagram", "lines"), "datagram", "a datagram is one message, or lines"),
            MAX_BYTES,
        ),
    ),
    "http": Kind(
        "http://HOST:PORT/PATH", "bodies that are POSTed here; loopback when HOST is left out",
        "at least once: 202 means published in the run; each Idempotency-Key is taken once",
        "http_source:http_source",
        (
            MAX_BYTES, CONNECTIONS, TOKEN,
            Option("max_body_bytes", whole(1, 64 << 20), 2 << 20, "the longest body in bytes"),
        ),
    ),
    "ws": Kind(
        "ws://HOST:PORT/PATH", "WebSocket messages of a peer, or of many with mode=listen", STREAM_IN,
        "websocket_source:ws_source",
        (
            MAX_BYTES, CONNECTIONS, GIVE_UP,
            Option("mode", one_of("connect", "listen"), "connect", "connect to a peer, or listen for peers"),
        ),
    ),
    "wss": Kind(
        "wss://HOST/PATH", "WebSocket messages of a peer, over TLS", STREAM_IN, "websocket_source:ws_source",
        (MAX_BYTES, GIVE_UP, Option("ca_file", text, None, "certificates to trust besides the system's")),
    ),
    "sqlite": Kind(
        "sqlite:PATH?table=T", "the rows of a table as JSON, in the order of their rowid",
        RESUMED, "sqlite:sqlite_source",
        (
            Option("table", text, None, "the table (needed)"),
            Option("column", text, None, COLUMN + "; without it the row as JSON"), FOLLOW, CHECKPOINT,
        ),
    ),
    "journal": Kind(
        "journal:FOLDER", "the records of a disk journal", RESUMED, "journal:journal_source",
        (
            Option("start", text, "oldest", "oldest, or a record's position"), FOLLOW, CHECKPOINT,
        ),
    ),
    "dead-letter": Kind(
        "dead-letter:PATH", "the messages of a dead-letter file, for another try", ONCE,
        "dead_letter:dead_letter_source",
    ),
    "host": Kind(
        "host:[SAMPLES_PER_S | max]", "this host's counters as JSON (10 samples a second unless said)",
        "samples that the run is too slow for are left out and counted", "host:host_source",
    ),
    "generate": Kind(
        "generate:COUNT,BYTES[,SEED]", "seeded messages of BYTES bytes; COUNT 0 never ends",
        "the same messages for the same seed", "generate:generate_source",
        (Option("rate", number(0, 1e9), 0.0, "messages a second; 0: as fast as they are taken"),),
    ),
}  # fmt: skip

SINKS: Mapping[str, Kind] = {
    "file": Kind(
        "file:PATH", "appends each message as a line", "at least once: in the kernel's hands when taken",
        "sinks:file_sink",
        (FRAMING, Option("fsync", flag, False, "1: on the disk whenever the run is quiet and at its end")),
    ),
    "stdout": Kind(
        "stdout:", "prints each message as a line", "at most once", "sinks:stdout_sink", (FRAMING,)
    ),
    "tcp": Kind(
        "tcp:HOST:PORT", "lines to a peer that listens",
        "no promise over a disconnect: what lay in the connection is lost, the batch under way is sent again",
        "stream_sink:tcp_sink", (FRAMING, GIVE_UP),
    ),
    "unix": Kind(
        "unix:PATH", "lines to a peer that listens on a Unix socket",
        "no promise over a disconnect: what lay in the connection is lost, the batch under way is sent again",
        "stream_sink:unix_sink", (FRAMING, GIVE_UP),
    ),
    "udp": Kind("udp:HOST:PORT", "a datagram each", NOTHING, "udp:udp_sink"),
    "http": Kind(
        "http://HOST[:PORT]/PATH", "POSTs batches as lines (application/x-ndjson)",
        "at least once; once where the peer knows Idempotency-Key", "http_sink:http_sink",
        (
            Option("batch", whole(1, 10_000), 256, "messages a request at most; 1: the body is the message"),
            Option("content_type", text, "application/octet-stream", "of a body that is one message"),
            TOKEN, GIVE_UP, Option("ca_file", text, None, "certificates to trust besides the system's"),
        ),
    ),
    "https": Kind(
        "https://HOST[:PORT]/PATH", "the same over TLS",
        "at least once; once where the peer knows Idempotency-Key", "http_sink:http_sink",
        (
            Option("batch", whole(1, 10_000), 256, "messages a request at most; 1: the body is the message"),
            Option("content_type", text, "application/octet-stream", "of a body that is one message"),
            TOKEN, GIVE_UP, Option("ca_file", text, None, "certificates to trust besides the system's"),
        ),
    ),
    "ws": Kind(
        "ws://HOST:PORT/PATH", "a WebSocket message each",
        "at least once up to the peer's own library: a batch counts when a ping behind it is answered",
        "websocket_sink:ws_sink",
        (GIVE_UP, Option("text", flag, True, "1: text messages where they are UTF-8; 0: binary ones")),
    ),
    "wss": Kind(
        "wss://HOST/PATH", "the same over TLS",
        "at least once up to the peer's own library: a batch counts when a ping behind it is answered",
        "websocket_sink:ws_sink",
        (
            GIVE_UP, Option("text", flag, True, "1: text messages where they are UTF-8; 0: binary ones"),
            Option("ca_file", text, None, "certificates to trust besides the system's"),
        ),
    ),
    "sqlite": Kind(
        "sqlite:PATH?table=T", "a row each, a transaction a batch",
        "at least once: a batch is there whole or not",
        "sqlite:sqlite_sink",
        (Option("table", text, None, "the table (needed)"), Option("column", text, "message", COLUMN)),
    ),
    "journal": Kind(
        "journal:FOLDER", "appends each message to a disk journal",
        "at least once: a crash of this process loses nothing, of the machine what fsync= says",
        "journal:journal_sink",
        (Option("fsync", one_of("always", "interval", "none"), "interval", "when it is put on the disk"),),
    ),
    "null": Kind("null:", "counts messages and forgets them", "all is lost, as asked", "sinks:null_sink"),
}  # fmt: skip


def parse_source(written: str) -> Source:
    """The source that ``kind:argument`` names, not yet open.

    Raises ``EdgeError`` ``E_EDGE_KIND``, ``E_EDGE_ARGUMENT`` (exit 2) or ``E_UNAVAILABLE``.
    """
    return cast(Source, _parse("source", SOURCES, written))


def parse_sink(written: str) -> Sink:
    """The sink that ``kind:argument`` names, not yet open. Errors as in :func:`parse_source`."""
    return cast(Sink, _parse("sink", SINKS, written))


def _parse(what: str, kinds: Mapping[str, Kind], written: str) -> Source | Sink:
    name, colon, rest = written.partition(":")
    if name not in kinds or not colon:
        raise _no_such_kind(what, kinds, written)
    kind = kinds[name]
    module, _, maker = kind.maker.partition(":")
    found = spelled(name, kind.usage, kind.options, rest)
    made: Source | Sink = getattr(importlib.import_module(f"byteor.edge.{module}"), maker)(found)
    made.delivery = kind.delivery
    return made


def _no_such_kind(what: str, kinds: Mapping[str, Kind], written: str) -> EdgeError:
    name, colon, _ = written.partition(":")
    usages = ", ".join(kind.usage for kind in kinds.values())
    if name in kinds:
        why, hint = f"a {what} is written kind:argument", f"did you mean {kinds[name].usage}?"
    else:
        near = difflib.get_close_matches(name, kinds, n=1)
        why = f"no such kind of {what}: {name!r}"
        hint = f"did you mean {kinds[near[0]].usage}?" if near else f"one of {usages}"
        if not colon:
            hint += f" (a path is written file:{written})"
    return EdgeError("E_EDGE_KIND", f"{why} (in {written!r})", hint=hint, exit=Exit.USAGE)
