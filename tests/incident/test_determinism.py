"""Planted non-determinism is found and its stage named; a clean pipeline is the same every time."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenes import Scene

from byteor.incident.determinism.check import Checked, check, compared
from byteor.incident.determinism.child import ChildOrder, ChildSaid, StageSaid
from byteor.incident.determinism.conditions import CONDITIONS, SAME

HEAD = """
import datetime, locale, os, platform, random, secrets, socket, tempfile, threading, time, uuid
from byteor.runtime.stages import batch_stage, stage

@stage
def clean(message):
    return message[::-1]

@stage
def last(message):
    return message + b"."
"""
ONE = "\n@stage\ndef planted(message):\n    return message + str({}).encode()\n"
PLANTED = {
    "state that stages share": """
seen = []

@stage
def clean(message):
    seen.append(message)
    return message[::-1]

@stage
def planted(message):
    return message + str(len(seen) > 0).encode()
""",
    "clock": ONE.format("time.time_ns()"),
    "date": ONE.format("datetime.date.today()"),
    "moment": ONE.format("datetime.datetime.now().year"),
    "year by strftime": ONE.format("time.strftime('%Y-%j')"),
    "time zone": ONE.format("time.strftime('%H:%M', time.localtime(0))"),
    "random": ONE.format("random.random()"),
    "seeded by the system": ONE.format("secrets.token_hex(4)"),
    "uuid": ONE.format("uuid.uuid4()"),
    "set order": ONE.format("list({'a' + str(n) for n in range(9)})"),
    "hash seed": ONE.format("hash(message)"),
    "memory address": ONE.format("id(object())"),
    "pid": ONE.format("os.getpid()"),
    "thread": ONE.format("threading.get_ident()"),
    "environment": ONE.format("os.environ.get('HOME')"),
    "user": ONE.format("os.environ.get('USER')"),
    "locale": ONE.format("locale.getpreferredencoding(False)"),
    "working folder": ONE.format("os.getcwd()"),
    "host": ONE.format("platform.node()"),
    "order of files": ONE.format("os.listdir('/etc')[:5]"),
    "temporary folder": ONE.format("tempfile.mkdtemp()"),
    "floats summed by batch": """
total = 0.0
@batch_stage()
def planted(messages):
    global total
    part = 0.0
    for message in messages:
        part += 0.1 * len(message)
    total += part
    return [b"%r" % total if False else repr(total).encode() for _ in messages]
""",
    "floats summed by a set": ONE.format(
        "sum(1 / len(x) for x in {str(n) * (n % 7 + 1) for n in range(40)})"
    ),
    "batch size": """
@batch_stage()
def planted(messages):
    return [b"%d" % len(messages)] * len(messages)
""",
    "thread race": """
@stage
def planted(message):
    found = []
    threads = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]
    box = []
    def work(n):
        for _ in range(20):
            box.append(n)
            time.sleep(0)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return message + bytes(box)
""",
    "network": """
@stage
def planted(message):
    try:
        with socket.create_connection(("127.0.0.1", PORT), 1) as peer:
            return message + peer.recv(8)
    except OSError as error:
        return message + b"offline"
""",
}


def order_of(scene: Scene, most: int = 60) -> ChildOrder:
    return ChildOrder(
        capture=str(scene.root / "capture"),
        spec=str(scene.root / "pipe.spec.kv"),
        modules=(str(scene.module),),
        sys_path=tuple(sys.path),
        most=most,
        batch=256,
    )


def checked(root: Path, code: str, *keys: str) -> Checked:
    scene = Scene(root, HEAD + code, *keys)
    scene.record([b"message-%d" % n for n in range(60)], [])
    return check(order_of(scene))


@pytest.fixture
def server() -> Iterator[int]:
    """A peer that answers each caller with another number."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        count = 0
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                count += 1
                peer.sendall(b"%08d" % count)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.campaign
@pytest.mark.parametrize("kind", PLANTED)
def test_planted_non_determinism_is_found_and_its_stage_named(tmp_path: Path, kind: str, server: int) -> None:
    code = PLANTED[kind].replace("PORT", str(server))
    found = checked(tmp_path, code, "clean", "planted", "last")
    assert not found.deterministic
    assert found.stage == "s1"


@pytest.mark.campaign
def test_a_clean_pipeline_is_the_same_under_every_condition(tmp_path: Path) -> None:
    found = checked(tmp_path, "", "clean", "identity", "last")
    assert found.deterministic, found.findings
    assert found.messages_out == 60


def test_there_are_twenty_kinds() -> None:
    assert len(PLANTED) >= 20
    assert len(CONDITIONS) >= 12


@pytest.mark.parametrize(
    ("kind", "condition", "suspect"),
    [("hash seed", "hash seed", "hash"), ("state that stages share", "each stage apart", "module")],
)
def test_one_planted_kind_in_a_child_of_its_own(
    tmp_path: Path, kind: str, condition: str, suspect: str
) -> None:
    scene = Scene(tmp_path, HEAD + PLANTED[kind], "clean", "planted", "last")
    scene.record([b"message-%d" % n for n in range(20)], [])
    found = check(order_of(scene), [one for one in CONDITIONS if one.name == condition])
    assert (found.stage, [one.condition for one in found.findings]) == ("s1", [condition])
    assert suspect in found.findings[0].suspects


def said(*given: str, taken: str = "t", outputs: str = "o", failure: str | None = None) -> ChildSaid:
    stages = tuple(StageSaid(f"s{n}", "k", taken, one, 5) for n, one in enumerate(given))
    return ChildSaid(stages, outputs, 5, failure)


@pytest.mark.parametrize(
    ("base", "other", "stage"),
    [
        (said("a", "b"), said("a", "b"), "nothing"),
        (said("a", "b"), said("x", "y"), "s0"),
        (said("a", "b"), said("a", "y"), "s1"),
        (said("a", "b"), said("a", "b", outputs="other"), None),
        (said("a", "b"), said("a", "b", failure="s1: no"), None),
        (said("a"), ChildSaid((), "", 0, error="it died"), None),
    ],
)
def test_the_first_stage_that_gave_something_else_is_named(
    base: ChildSaid, other: ChildSaid, stage: str | None
) -> None:
    finding = compared(base, other, SAME)
    assert (finding.stage if finding is not None else "nothing") == stage


def test_a_condition_changes_only_what_it_says() -> None:
    changed = {one.name: set(one.env) for one in CONDITIONS}
    assert changed["hash seed"] == {"PYTHONHASHSEED"}
    assert changed["time zone"] == {"TZ"}
    assert not changed["again"]
