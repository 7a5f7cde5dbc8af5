"""Codes of the edge: where messages enter and leave a run."""

from __future__ import annotations

from byteor.cli.codes.row import Row


def _run(source: str = "generate:10,16", sink: str = "null:") -> str:
    return f"byteor run demo.spec.kv --source {source} --sink {sink}"


ROWS = tuple(
    Row("edge", *rest)
    for rest in (
        (
            "E_EDGE_KIND",
            "a source or sink is of a known kind",
            "`byteor run -h` lists the kinds",
            _run(source="bogus:x"),
            _run(),
        ),
        (
            "E_EDGE_ARGUMENT",
            "what follows the kind is in its form",
            "write it as the message says",
            _run(source="generate:many"),
            _run(),
        ),
        (
            "E_SOURCE_NOT_FOUND",
            "the source's file exists",
            "check the path of --source file:PATH",
            _run(source="file:/nowhere/in.log"),
            _run(source="file:in.log"),
        ),
        (
            "E_SOURCE_UNREADABLE",
            "the source can be opened",
            "name a file that this user may read",
            _run(source="file:/"),
            _run(source="file:in.log"),
        ),
        (
            "E_SOURCE_READ",
            "the source can be read to its end",
            "see the system's words in the message; start the run again",
            _run(source="file:/mnt/gone/in.log") + " (the disk goes away while it runs)",
            _run(source="file:in.log"),
        ),
        (
            "E_SINK_NOT_FOUND",
            "the folder of the sink's file exists",
            "make the folder first",
            _run(sink="file:/nowhere/out.log"),
            _run(sink="file:out.log"),
        ),
        (
            "E_SINK_UNWRITABLE",
            "the sink can be opened",
            "name a file that this user may write",
            _run(sink="file:/"),
            _run(sink="file:out.log"),
        ),
        (
            "E_SINK_WRITE",
            "the sink takes what is written",
            "make room, or name another --sink",
            _run(sink="file:/dev/full"),
            _run(sink="file:out.log"),
        ),
        (
            "E_SINK_CLOSED",
            "who reads the sink reads to the end",
            "let the reader read on, or write to a file",
            _run(source="generate:0,16", sink="stdout:") + " | head -1",
            _run(sink="stdout:") + " | cat",
        ),
        (
            "E_SINK_REFUSED",
            "the peer of a sink takes what it is sent",
            "check the URL and token_file=; --dead-letters PATH sets single messages aside",
            _run(sink="http://127.0.0.1:8080/nowhere"),
            _run(sink="http://127.0.0.1:8080/events"),
        ),
        (
            "E_SINK_CANCELLED",
            "a sink has handed everything on before its run is stopped",
            "see why the peer takes nothing; give it more time with --drain-timeout",
            _run(sink="file:fifo") + " & mkfifo fifo; sleep 60 < fifo (Ctrl-C twice)",
            _run(sink="file:out.log"),
        ),
        (
            "E_FRAMING",
            "a message on a stream of lines has no newline inside",
            "use framing=u32 at both ends, or set such messages aside with --dead-letters PATH",
            _run(source="udp::9000", sink="tcp:127.0.0.1:9001") + " (a datagram holds two lines)",
            _run(source="udp::9000", sink="tcp:127.0.0.1:9001?framing=u32"),
        ),
        (
            "E_DEAD_LETTER",
            "the dead-letter file can be written and is under 1 GiB",
            "move the file away or make room, and see in it why messages were not delivered",
            _run() + " --dead-letters /nowhere/dead.jsonl",
            _run() + " --dead-letters dead.jsonl",
        ),
        (
            "E_CHECKPOINT",
            "checkpoint= names the position of this very source",
            "name another file, or remove it to begin anew",
            _run(source="file:in.log?checkpoint=other.position"),
            _run(source="file:in.log?checkpoint=in.position"),
        ),
        (
            "E_EDGE_TOKEN",
            "token_file= names a file with one token in it",
            "name a file with the token alone, readable by this user only",
            _run(source="http://127.0.0.1:8080/in?token_file=/nowhere/token"),
            _run(source="http://127.0.0.1:8080/in?token_file=token"),
        ),
        (
            "E_UNAVAILABLE",
            "what an adapter needs besides ByteOr is installed",
            "install it as the message says",
            _run(source="ws://127.0.0.1:8080/feed") + " (without the extra: pip install 'byteor[ws]')",
            _run(source="tcp:127.0.0.1:8080"),
        ),
        (
            "E_OVERSIZE",
            "a message is one line of at most 1 MiB",
            "is this a text file?",
            "head -c 2000000 /dev/zero > in.log; " + _run(source="file:in.log"),
            "echo hello > in.log; " + _run(source="file:in.log"),
        ),
    )
)
