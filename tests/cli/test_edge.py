"""``byteor edge list``: every kind that ``run`` takes, with what it promises, and no other."""

from __future__ import annotations

import json

import pytest

from byteor.cli.edge import list_
from byteor.edge.catalogue import SINKS, SOURCES
from byteor.edge.errors import EdgeError


def test_every_kind_is_told_with_its_promise_and_options(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    list_(json=True)
    document = json.loads(capsysbinary.readouterr().out)
    assert document["schema"] == "byteor.edges/v1"
    assert [row["kind"] for row in document["sources"]] == list(SOURCES)
    assert [row["kind"] for row in document["sinks"]] == list(SINKS)
    (udp,) = [row for row in document["sources"] if row["kind"] == "udp"]
    assert "may be lost" in udp["delivery"]
    assert [option["name"] for option in udp["options"]] == ["framing", "max_bytes"]
    list_()
    assert "what lay in the connection" in capsysbinary.readouterr().out.decode()


def test_one_kind_in_full_is_both_its_source_and_its_sink(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    list_("tcp")
    told = capsysbinary.readouterr().out.decode()
    assert "--source tcp:HOST:PORT" in told and "--sink tcp:HOST:PORT" in told
    assert "idle_s           seconds after which a silent peer is let go; 0: never (600.0)" in told


def test_a_typo_names_what_was_meant() -> None:
    with pytest.raises(EdgeError) as caught:
        list_("jurnal")
    assert (caught.value.code, caught.value.exit, caught.value.hint) == (
        "E_EDGE_KIND",
        7,
        "did you mean journal?",
    )
