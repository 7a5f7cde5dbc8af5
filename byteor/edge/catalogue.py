"""The table of sources and sinks, and the parser of their spelling ``kind:argument``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from byteor.edge.errors import EdgeError
from byteor.edge.generate import USAGE as GENERATE_USAGE
from byteor.edge.generate import generate_source
from byteor.edge.host import USAGE as HOST_USAGE
from byteor.edge.host import host_source
from byteor.edge.lines import file_source, stdin_source
from byteor.edge.sinks import file_sink, null_sink, stdout_sink
from byteor.errors import Exit
from byteor.runtime.adapter import Sink, Source

Adapter = TypeVar("Adapter")


class Kind(NamedTuple, Generic[Adapter]):
    """One kind of source or sink; help, ``doctor`` and the docs are made from these."""

    usage: str
    doc: str
    make: Callable[[str], Adapter]


SOURCES: Mapping[str, Kind[Source]] = {
    "file": Kind("file:PATH", "the lines of a file, from its start to its end", file_source),
    "stdin": Kind("stdin:", "the lines of standard input", stdin_source),
    "host": Kind(HOST_USAGE, "this host's counters as JSON (10 samples a second unless said)", host_source),
    "generate": Kind(GENERATE_USAGE, "seeded messages of BYTES bytes; COUNT 0 never ends", generate_source),
}
SINKS: Mapping[str, Kind[Sink]] = {
    "file": Kind("file:PATH", "appends each message as a line", file_sink),
    "stdout": Kind("stdout:", "prints each message as a line", stdout_sink),
    "null": Kind("null:", "counts messages and forgets them", null_sink),
}


def parse_source(text: str) -> Source:
    """The source that ``kind:argument`` names, not yet open.

    Raises ``EdgeError`` ``E_EDGE_KIND`` or ``E_EDGE_ARGUMENT`` (exit 2).
    """
    return _parse("source", SOURCES, text)


def parse_sink(text: str) -> Sink:
    """The sink that ``kind:argument`` names, not yet open. Errors as in :func:`parse_source`."""
    return _parse("sink", SINKS, text)


def _parse(what: str, kinds: Mapping[str, Kind[Adapter]], text: str) -> Adapter:
    name, colon, argument = text.partition(":")
    if name in kinds and colon:
        return kinds[name].make(argument)
    usages = ", ".join(kind.usage for kind in kinds.values())
    if name in kinds:
        why, hint = f"a {what} is written kind:argument", f"did you mean {kinds[name].usage}?"
    else:
        near = difflib.get_close_matches(name, kinds, n=1)
        why = f"no such kind of {what}: {name!r}"
        hint = f"did you mean {kinds[near[0]].usage}?" if near else f"one of {usages}"
        if not colon:
            hint += f" (a path is written file:{text})"
    raise EdgeError("E_EDGE_KIND", f"{why} (in {text!r})", hint=hint, exit=Exit.USAGE)
