"""``kind:argument?option=value``: options are told from the argument, a wrong one with what is wanted."""

from __future__ import annotations

import pytest

from byteor.edge import SINKS, SOURCES, EdgeError, parse_source
from byteor.edge.spelling import split

SPLITS = [
    ("a", ("a", [])),
    ("a?", ("a", [])),
    ("a?b=1", ("a", [("b", "1")])),
    ("a?b=1&c_d=x%26y", ("a", [("b", "1"), ("c_d", "x&y")])),
    ("what?.log", ("what?.log", [])),
    ("what?.log?follow=1", ("what?.log", [("follow", "1")])),
    ("//h/p?q=1?batch=2", ("//h/p?q=1", [("batch", "2")])),
    ("//h/p?q=1?", ("//h/p?q=1", [])),
    ("a?b=", ("a", [("b", "")])),
    ("a?b", ("a?b", [])),
]


@pytest.mark.parametrize(("rest", "expected"), SPLITS)
def test_options_stand_behind_the_last_question_mark(rest: str, expected: tuple[str, list]) -> None:
    assert split(rest) == expected


WRONG = [
    ("tcp::9000?framming=u32", "did you mean framing?"),
    ("tcp::9000?framing=u16", "one of lines, u32"),
    ("tcp::9000?max_bytes=0", "from 1 to 1,048,576"),
    ("tcp::9000?max_bytes=9&max_bytes=9", "stands twice"),
    ("tcp::9000?idle_s=nan", "a number from 0"),
    ("tcp:9000", "HOST:PORT"),
    ("tcp:host:99999", "HOST:PORT"),
    ("tcp:host:0?mode=connect", "port 0"),
    ("host:?x=1", "takes none"),
    ("file:x?follow=yes", "0 or 1"),
    ("file:x?start=end", "needs follow=1"),
    ("file:x?follow=1&start=-1", "offset"),
    ("file:x?checkpoint=", "empty"),
    ("unix:", "path is missing"),
    ("unix:" + "x" * 200, "107 bytes"),
    ("http:127.0.0.1:80/x", "HOST:PORT and a path"),
    ("http://u:p@127.0.0.1:80/x", "HOST:PORT and a path"),
    ("sqlite:x", "table= is missing"),
    ("sqlite::memory:?table=t", "a path"),
    ("journal:", "folder is missing"),
    ("generate:1,64?rate=-1", "a number from 0"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_option_or_argument_is_told_with_what_is_wanted(text: str, told: str) -> None:
    with pytest.raises(EdgeError) as caught:
        parse_source(text)
    assert caught.value.code == "E_EDGE_ARGUMENT"
    assert told in caught.value.message


def test_every_kind_tells_what_may_be_lost_and_can_be_made() -> None:
    import importlib

    for kinds in (SOURCES, SINKS):
        for kind in kinds.values():
            module, _, maker = kind.maker.partition(":")
            assert callable(getattr(importlib.import_module(f"byteor.edge.{module}"), maker))
            assert len(kind.delivery) > 10
            for option in kind.options:
                assert option.doc
    assert parse_source("tcp::9000").delivery == SOURCES["tcp"].delivery
