"""How sources and sinks are spelled, and what a wrong spelling is told."""

from __future__ import annotations

import pytest

from byteor.edge import SINKS, SOURCES, EdgeError, parse_sink, parse_source
from byteor.errors import Exit

GOOD_SOURCES = [
    ("file:/tmp/a:b", "file:/tmp/a:b"),
    ("stdin:", "stdin:"),
    ("host:", "host:10"),
    ("host:2.5", "host:2.5"),
    ("host:max", "host:max"),
    ("generate:0,64", "generate:0,64,0"),
    ("generate:5,64,7", "generate:5,64,7"),
]


@pytest.mark.parametrize(("text", "name"), GOOD_SOURCES)
def test_a_source_is_named_by_its_canonical_spelling(text: str, name: str) -> None:
    assert parse_source(text).name == name


@pytest.mark.parametrize("text", ["file:out.jsonl", "stdout:", "null:"])
def test_a_sink_is_named_by_its_spelling(text: str) -> None:
    assert parse_sink(text).name == text


BAD = [
    (parse_source, "", "E_EDGE_KIND", "one of"),
    (parse_source, "flie:x", "E_EDGE_KIND", "did you mean file:PATH?"),
    (parse_source, "stdin", "E_EDGE_KIND", "did you mean stdin:?"),
    (parse_source, "/var/log/syslog", "E_EDGE_KIND", "file:/var/log/syslog"),
    (parse_source, "null:", "E_EDGE_KIND", "one of"),
    (parse_source, "file:", "E_EDGE_ARGUMENT", "file:PATH"),
    (parse_source, "http://[::1", "E_EDGE_ARGUMENT", "http:"),
    (parse_source, "ws://[::1?mode=listen", "E_EDGE_ARGUMENT", "ws:"),
    (parse_source, "stdin:x", "E_EDGE_ARGUMENT", "stdin:"),
    (parse_source, "host:0", "E_EDGE_ARGUMENT", "host:"),
    (parse_source, "host:-1", "E_EDGE_ARGUMENT", "host:"),
    (parse_source, "host:nan", "E_EDGE_ARGUMENT", "host:"),
    (parse_source, "host:often", "E_EDGE_ARGUMENT", "host:"),
    (parse_source, "generate:5", "E_EDGE_ARGUMENT", "generate:"),
    (parse_source, "generate:5,0", "E_EDGE_ARGUMENT", "generate:"),
    (parse_source, "generate:5,²", "E_EDGE_ARGUMENT", "generate:"),
    (parse_source, "generate:5,9999999", "E_EDGE_ARGUMENT", "generate:"),
    (parse_source, "generate:5,64,1,2", "E_EDGE_ARGUMENT", "generate:"),
    (parse_sink, "stdot:", "E_EDGE_KIND", "did you mean stdout:?"),
    (parse_sink, "host:", "E_EDGE_KIND", "one of"),
    (parse_sink, "null:x", "E_EDGE_ARGUMENT", "null:"),
    (parse_sink, "stdout:x", "E_EDGE_ARGUMENT", "stdout:"),
    (parse_sink, "file:", "E_EDGE_ARGUMENT", "file:PATH"),
]


@pytest.mark.parametrize(("parse", "text", "code", "hint"), BAD)
def test_a_wrong_spelling_is_a_usage_error_with_a_hint(parse, text: str, code: str, hint: str) -> None:
    with pytest.raises(EdgeError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.exit) == (code, Exit.USAGE)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_every_kind_says_how_it_is_written_and_what_it_does() -> None:
    for kinds in (SOURCES, SINKS):
        for name, kind in kinds.items():
            assert kind.usage.startswith(f"{name}:")
            assert kind.doc
