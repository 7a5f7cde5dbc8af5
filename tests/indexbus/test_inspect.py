"""What the tools show of a region, as values and as ``byteor region`` prints it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from byteor.cli.region import app
from byteor.indexbus import (
    Events,
    Fanout,
    IndexBusError,
    Journal,
    MetricsRegion,
    Queues,
    SequencedSlots,
    State,
)
from byteor.indexbus.inspect import find_regions, inspect_region, slots_of
from byteor.indexbus.journal_lane import JournalLane


@pytest.fixture
def ring(shm: Path) -> Path:
    lane = SequencedSlots.create(
        shm / "ring", capacity=4, slot_bytes=32, gates=2, egress=(1,), spec_hash=b"\xab" * 32
    )
    with lane.producer() as producer, lane.stage(0) as stage:
        for number, taken in ((0, 3), (1, 1)):
            producer.publish_many([b'{"n":%d}' % (number * 3 + i) for i in range(3)])
            stage.receive_many(taken)
            lane.stage(1, (0,)).receive_many(taken)
            lane.egress().receive_many(taken)
    lane.close()
    return shm / "ring"


def run(*arguments: object) -> Any:
    return get_command(app).main([str(a) for a in arguments], standalone_mode=False)


def test_inspect_shows_header_cursors_lag_and_peers(ring: Path) -> None:
    lane = SequencedSlots.open(ring)
    producer = lane.producer()
    one = inspect_region(ring)
    producer.close()
    assert (one.kind, one.version, one.capacity, one.slot_bytes, one.lanes) == (
        "sequenced_slots",
        1,
        4,
        32,
        2,
    )
    assert one.spec_hash_prefix == "ab" * 16
    assert (one.state, one.cursor, one.gating) == ("open", 6, [4, 4])
    assert one.lag == {"stage 0": 2, "stage 1": 2}
    assert [peer.state for peer in one.peers] == ["alive", *["absent"] * 5]


def test_inspect_knows_every_kind(shm: Path) -> None:
    Events.create(shm / "events", capacity=4, slot_bytes=32, producers=2)
    Fanout.create(shm / "fanout", capacity=4, slot_bytes=32, consumers=2)
    queues = Queues.create(shm / "queues", capacity=4, slot_bytes=32, consumers=2)
    with queues.router() as router:
        router.publish(b"x")
    queues.consumer(0).receive()
    Journal.create(shm / "journal", window_bytes=4096).writer().append(b"x")
    State.create(shm / "state")
    MetricsRegion.create(shm / "metrics", 2)
    (shm / "other").write_bytes(b"no region")
    found = {path.name: one for path, one in find_regions(shm)}
    assert {name: one.kind for name, one in found.items()} == {
        "events": "events", "fanout": "fanout", "queues": "fanout", "journal": "journal", "state": "state",
        "metrics": "metrics",
    }  # fmt: skip
    assert found["queues"].lag == {"consumer 0": 0, "consumer 1": 1}
    assert found["journal"].cursor == 16


def test_slots_are_what_the_ring_still_holds(ring: Path) -> None:
    assert [slot.payload for slot in slots_of(ring, None, 9)] == [b'{"n":%d}' % n for n in range(2, 6)]
    assert [slot.sequence for slot in slots_of(ring, 4, 1)] == [4]
    for outside in (1, 7):
        with pytest.raises(IndexBusError) as caught:
            slots_of(ring, outside, 1)
        assert caught.value.code == "E_VALUE"


def test_the_verbs_print_one_document(ring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = {}
    for verb in (["ls", ring.parent], ["inspect", ring], ["dump", ring, "-n", 1], ["watch", ring, "-n", 1]):
        run(*verb, "--json")
        documents[verb[0]] = json.loads(capsys.readouterr().out)
    assert {name: document["schema"] for name, document in documents.items()} == {
        name: f"byteor.region-{name}/v1" for name in documents
    }
    assert documents["ls"]["regions"][0]["path"] == str(ring)
    assert documents["inspect"]["gating"] == [4, 4]
    assert documents["dump"]["slots"][0] | {"flags": []} == {
        "sequence": 2, "length": 7, "flags": [], "ingress": 0, "origin": 2, "payload_hex": b'{"n":2}'.hex(),
    }  # fmt: skip
    assert documents["watch"]["cursor"] == 6


def test_the_verbs_print_for_a_person(ring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("ls", ring.parent)
    run("inspect", ring)
    for decode in ("hex", "text", "json"):
        run("dump", ring, "--decode", decode, "-n", 1)
    run("watch", ring, "-n", 2, "--interval", 0.05)
    out = capsys.readouterr().out
    for expected in ("sequenced_slots", "lag 2", "000000  7b 22 6e", '{"n":2}', '"n": 2', "cursor 6  0/s"):
        assert expected in out


def test_a_payload_cannot_command_the_terminal(shm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lane = Events.create(shm / "events", capacity=4, slot_bytes=32)
    lane.producer().publish(b"\x1b[2J\x07\xff text")
    run("dump", shm / "events", "--decode", "text")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "text" in out


def test_inspect_shows_who_is_alive_in_every_kind(shm: Path) -> None:
    state = State.create(shm / "state", spec_hash=b"\xab" * 15 + b"\x10")
    metrics = MetricsRegion.create(shm / "metrics", 2)
    lane = JournalLane.create(shm / "journal", capacity=8, slot_bytes=16, readers=2)
    with state.writer() as writer, lane.producer() as producer, lane.consumer(1):
        writer.write(b"one")
        metrics.row(1).begin("work", "key", "stage", "thread")
        producer.put(b"x", 0, 0)
        one = inspect_region(shm / "state")
        assert (one.cursor, [peer.state for peer in one.peers]) == (1, ["alive"])
        assert one.spec_hash_prefix == "ab" * 15 + "10"
        peers = inspect_region(shm / "metrics").peers
        assert [(peer.index, peer.name, peer.state) for peer in peers] == [(1, "work", "alive")]
        metrics.row(1).set_state("finished")
        assert [peer.state for peer in inspect_region(shm / "metrics").peers] == ["absent"]
        one = inspect_region(shm / "journal")
        assert (one.state, one.cursor, one.lag) == ("open", 1, {"reader 0": 1, "reader 1": 1})
        assert [peer.state for peer in one.peers] == ["alive", "absent", "alive"]


def test_a_folder_that_does_not_exist_is_told_apart_from_one_without_regions(shm: Path) -> None:
    assert find_regions(shm) == []
    with pytest.raises(IndexBusError) as caught:
        find_regions(shm / "none")
    assert caught.value.code == "E_REGION_MISSING"


def test_dump_shows_each_queue_of_a_router(shm: Path) -> None:
    queues = Queues.create(shm / "queues", capacity=4, slot_bytes=32, consumers=2)
    with queues.router("work_queue") as router:
        router.publish_many([b"a", b"b", b"c"])
    shown = [[slot.payload for slot in slots_of(shm / "queues", None, 9, queue)] for queue in (0, 1)]
    assert shown == [[b"a", b"c"], [b"b"]]
    with pytest.raises(IndexBusError) as caught:
        slots_of(shm / "queues", None, 9, 2)
    assert caught.value.code == "E_VALUE"
