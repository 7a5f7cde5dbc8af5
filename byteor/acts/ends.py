"""Which source and sink stands at which endpoint of a pipeline, as a person named them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from byteor.edge.spelling import split
from byteor.errors import Exit
from byteor.runtime.errors import RunError

_NAMED = re.compile(r"([a-z][a-z0-9_-]{0,62})=(.*)", re.DOTALL)
_ALONE = ("stdin:", "stdout:")  # of which a process has one


def match_ends(endpoints: Sequence[str], given: Sequence[str], option: str, default: str) -> tuple[str, ...]:
    """What stands at each of ``endpoints``: ``given`` holds ``KIND:ARG`` for the only one, or
    ``NAME=KIND:ARG``.

    Raises ``E_ENDPOINT`` (exit 2) for a name that is none, one that stands twice and one that is missing.
    """
    if not given and len(endpoints) == 1:
        return (default,)
    found: dict[str, str] = {}
    for text in given:
        named = _NAMED.fullmatch(text)
        if named is None and len(endpoints) > 1:
            raise _refused(f"{option} {text!r} names no endpoint", endpoints, option)
        name, end = (named[1], named[2]) if named is not None else (endpoints[0], text)
        if name not in endpoints:
            raise _refused(f"{option} {text!r}: the pipeline has no endpoint {name!r}", endpoints, option)
        if name in found:
            raise _refused(f"{option} stands twice for {name}", endpoints, option)
        found[name] = end
    missing = [name for name in endpoints if name not in found]
    if missing:
        raise _refused(f"no {option} for {', '.join(missing)}", endpoints, option)
    return tuple(found[name] for name in endpoints)


def check_ends(sources: Sequence[str], sinks: Sequence[str]) -> None:
    """A file that is read while it is appended to would never end; two writers of one would mix their lines.

    Raises ``E_SAME_FILE`` (exit 2).
    """
    for kind in _ALONE:
        if (*sources, *sinks).count(kind) > 1:
            raise _same(f"{kind} stands at two endpoints", "a process has one; use files or sockets")
    reads = [(text, _file(text)) for text in sources if text.startswith("file:")]
    writes = [(text, _file(text)) for text in sinks if text.startswith("file:")]
    for index, (text, path) in enumerate(writes):
        for other, its in (*reads, *writes[:index]):
            if path == its or (path.exists() and its.exists() and path.samefile(its)):
                what = "source and sink are" if (other, its) in reads else "two sinks are"
                raise _same(f"{what} the same file ({other}, {text})", "write to another file")


def _file(text: str) -> Path:
    return Path(split(text.removeprefix("file:"))[0])


def _same(why: str, hint: str) -> RunError:
    return RunError("E_SAME_FILE", why, hint=hint, exit=Exit.USAGE)


def _refused(why: str, endpoints: Sequence[str], option: str) -> RunError:
    usage = " ".join(f"{option}={name}=KIND:ARG" for name in endpoints)
    hint = f"write {usage}" if len(endpoints) > 1 else f"write {option}=KIND:ARG"
    return RunError("E_ENDPOINT", why, hint=hint, exit=Exit.USAGE)
