"""What one does with a request beside signing it: its full diff on Diff, comments on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from byteor.acts.log import open_log
from byteor.cli import main
from byteor.spec import load
from byteor_store import Event
from byteor_tui.actions.places import PLACE_IDS
from byteor_tui.app import ConsoleApp
from byteor_tui.demo_plan import PLAN
from byteor_tui.model.approvals import as_of
from byteor_tui.model.audit_tail import AuditTail
from byteor_tui.model.evidence import Approvals, AuditRow, Comment
from byteor_tui.model.link import Place, link_of, place_of
from byteor_tui.model.specs import SpecBoard
from byteor_tui.model.text import day_clock
from byteor_tui.screens.request_lines import SECOND_NS as NS
from byteor_tui.screens.request_lines import comments_drawn, terms_drawn
from byteor_tui.shot import screen_text
from byteor_tui.tones import span_width
from byteor_tui.widgets.prompt import Prompt
from byteor_tui.widgets.scroll_lines import ScrollLines
from tests.tui.test_keys import play
from tests.tui.waiting import shown, until
from tests.tui.world import NOW, request, still_app

TOML = """org_id = "acme"
project_id = "demo"
[environments.stage]
posture = "staging"
quorum = [{ group = "ops", n = 1 }]
"""
FIRST, SECOND = request(31).request_id, request(29).request_id


@pytest.fixture
def app(private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """Started with the file that the first request asks for; Diff compares another one. The second's spec
    is nowhere."""
    made = still_app(monkeypatch, private, sample)
    (private / "spec.kv").write_bytes(load(private / "running.plan.kv").canonical)
    asked = private / "asked.plan.kv"
    asked.write_text(PLAN.replace("zscore:120,4.0", "zscore:7,4.0"))
    rows = (request(31, spec_hash=load(asked).spec_hash), request(29))
    made.collector.latest = msgspec.structs.replace(made.collector.latest, approvals=Approvals(rows))
    made.collector.board = SpecBoard(asked)
    made.collector.board.right = private / "host.plan.kv"
    return made


async def there(app: ConsoleApp, pilot: Pilot[None], screen: str, item: str = "") -> str:
    """Until the place is on the screen, as after some looks of the collector, which rests here. Its text."""

    def holds() -> bool:
        app.paint()
        app.collector.specs = app.collector.board.look()
        app.paint()
        return app.here.screen == screen and item in {"", app.here.item}

    await until(pilot, holds)
    assert holds()
    return screen_text(app)


def test_d_shows_the_two_specs_of_the_request_and_minus_comes_back_to_it(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", FIRST)
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("d")
        await until(pilot, lambda: "request 00000031" in screen_text(app))
        assert "lab" not in screen_text(app), "what Diff compared before is not shown as the request's"
        text = await there(app, pilot, "diff")
        assert "zscore:7,4.0" in text and "request 00000031, 1 change" in text
        assert "running " in text and "-> asked " in text
        await pilot.press("minus")
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("4")
        text = await there(app, pilot, "diff")
        assert "request" not in text and "zscore:5.0" in text.replace("120,", ""), "4 compares what it did"
        await pilot.press("minus")
        await there(app, pilot, "approvals", FIRST)

    play(app, story, (120, 40))


def test_a_file_or_a_version_that_is_chosen_takes_the_place_of_the_request(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("diff", request=FIRST)
        assert "zscore:7,4.0" in await there(app, pilot, "diff")
        await pilot.press("f", "enter")
        text = await there(app, pilot, "diff")
        assert "zscore:7,4.0" not in text and "zscore:120,5.0" in text

    play(app, story, (120, 40))


def test_the_full_diff_is_dead_where_the_asked_spec_is_not_and_says_why(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", SECOND)
        await there(app, pilot, "approvals", SECOND)
        await pilot.press("d")
        await shown(pilot, "full diff: needs the asked spec on this host: start with --spec FILE")

    play(app, story, (120, 40))


def test_a_link_leads_to_the_diff_of_a_request_and_says_so_where_there_is_none(app: ConsoleApp) -> None:
    link = link_of(Place("diff", "r", request=FIRST))
    assert place_of(link, PLACE_IDS).request == FIRST

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go_to(place_of(link, PLACE_IDS))
        assert "zscore:7,4.0" in await there(app, pilot, "diff")
        assert app.here.request == FIRST
        app.go_to(Place("diff", request="gone"))
        assert "the request gone is not on this host" in await there(app, pilot, "diff")

    play(app, story, (120, 40))


@pytest.fixture
def asked(private: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> str:
    """A request of this host, made as anybody makes one; its id."""
    monkeypatch.chdir(private)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(private / "config"))
    (private / "byteor.toml").write_text(TOML)
    (private / "asked.plan.kv").write_text(PLAN)
    assert main(["approval", "request", "asked.plan.kv", "--env=stage", "--reason=x", "--json"]) == 0
    return str(json.loads(capfd.readouterr().out)["request_id"])


def detail(app: ConsoleApp) -> str:
    return app.screen.query_one("#detail", ScrollLines).text


def with_comments(app: ConsoleApp, tail: AuditTail, request_id: str) -> tuple[Comment, ...]:
    """What the collector would have read by now."""
    tail.look()
    found = tail.comments(request_id)
    app.collector.latest = msgspec.structs.replace(app.collector.latest, comments=found)
    app.paint()
    return found.rows


def test_c_asks_for_a_line_and_writes_it_as_one_entry_that_the_request_shows(
    app: ConsoleApp, asked: str
) -> None:
    mine = msgspec.structs.replace(request(31, state="denied"), request_id=asked)
    rows = (mine, request(29, state="denied"))
    app.collector.latest = msgspec.structs.replace(app.collector.latest, approvals=Approvals(rows))
    app.session = msgspec.structs.replace(app.session, identities=())
    app.identity, tail = ("", ""), AuditTail()

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", asked)
        await there(app, pilot, "approvals", asked)
        await pilot.press("c")
        await shown(pilot, f"comment on {asked[:8]} _")
        app.go("approvals", SECOND)  # the cursor goes elsewhere while somebody types
        await there(app, pilot, "approvals", SECOND)
        await pilot.press(*"-w b.int?", "enter")
        await until(pilot, lambda: app.log_pane.entries and not app.log_pane.running)
        (entry,) = [one for one in app.log_pane.entries if "note" in one.text]
        assert entry.text == f"byteor note --request={asked} -- '-w b.int?'" and entry.ok
        (said,) = with_comments(app, tail, asked)
        assert (said.text, said.audit_seq) == ("-w b.int?", entry.audit_seq)
        assert said.text not in detail(app), "another request is under the cursor"
        app.go("approvals", asked)
        await there(app, pilot, "approvals", asked)
        text = detail(app)
        assert f"{said.actor} at " in text and f"audit #{said.audit_seq}" in text and "   -w b.int?" in text
        assert app.collector._commented == asked, "the collector is told whose comments are wanted"
        app.at_unix_ns = said.at_unix_ns - 1
        await there(app, pilot, "approvals", asked)
        assert said.text not in detail(app), "nobody had said it then"

    play(app, story, (120, 40))
    tail.close()


def test_an_empty_comment_and_escape_write_nothing(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", FIRST)
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("c", "space", "enter")
        await shown(pilot, "a comment needs words")
        await pilot.press("c", "x", "escape")
        await there(app, pilot, "approvals", FIRST)
        assert not any("note" in entry.text for entry in app.log_pane.entries if entry.command)

    play(app, story, (120, 40))


def test_a_read_only_console_writes_no_comment_and_w_says_why(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(monkeypatch, private, sample, read_only=True)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", FIRST)
        await there(app, pilot, "approvals", FIRST)
        await pilot.press("c")
        await shown(pilot, "comment: needs a console that was not started with --read-only")
        assert not app.screen.query_one(Prompt).open
        await pilot.press("w")
        await shown(pilot, "Why not?", "comment: needs a console that was not started with --read-only")

    play(app, story, (120, 40))


def test_comments_hold_up_no_signature_and_none_passes_for_anothers() -> None:
    one = request(31)
    many = tuple(Comment(n, n * NS, "mallory", "x" * 30 + "\n bob at 12:00:00  audit #1") for n in range(40))
    drawn = {
        said: terms_drawn(one, None, None, None, said, "alice-1", NOW, 80)
        for said in ((), many, (Comment(1, 2, "bob", "w" * 9000),), (Comment(1, 2, "bob", ""),))
    }
    assert {len([piece for _, piece in lines if piece]) for lines in drawn.values()} == {len(drawn[()])}, (
        "what must be seen before a signature is the same"
    )
    texts = ["".join(text for text, _ in line) for line in comments_drawn(many, NOW, 60)]
    assert texts[0] == " 40 comments, the last 5; 7 has all"
    assert [text for text in texts[1:] if not text.startswith("   ")] == [
        f" mallory at {day_clock(one.at_unix_ns, NOW * NS)}  audit #{one.audit_seq}" for one in many[-5:]
    ]
    assert "(9,000 characters)" in str(drawn[(Comment(1, 2, "bob", "w" * 9000),)])
    assert "(erased)" in str(drawn[(Comment(1, 2, "bob", ""),)])


def test_what_was_said_of_a_request_moves_it_nowhere_in_the_past() -> None:
    one = request(31, state="approved")
    said = AuditRow(9, (NOW + 5) * NS, "user:bob", "approval_commented", approval_id=one.request_id)
    assert as_of(Approvals((one,)), (said,), NOW * NS).rows == (one,)


def test_a_comment_out_of_the_log_is_a_line_that_steers_no_terminal(private: Path) -> None:
    with open_log() as log:
        for text in ("hi \x1b[2J \u202e there\nand more", "漢字" * 100):
            body = {"text": text, "at_unix_ns": "7"}
            log.append(Event(action="approval_commented", actor="user:b\x07b", approval_id=FIRST, body=body))
    tail = AuditTail()
    tail.look()
    steering, wide = tail.comments(FIRST).rows
    assert (steering.actor, steering.text) == ("b?b", "hi ?[2J ? there and more")
    assert tail.comments(SECOND).rows == () and tail.comments(FIRST).rows == (steering, wide)
    lines = comments_drawn((steering, wide), NOW, 40)
    assert max(map(span_width, lines)) <= 40
    assert "".join(text.strip() for line in lines for text, _ in line).count("漢字") >= 100 - len(lines)
    tail.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_half_a_key_is_told_in_the_log_and_by_the_dead_key(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    app = still_app(monkeypatch, private, sample, read_only=read_only)
    half = "BYTEOR_KID is set and BYTEOR_KEY_FILE is not: nothing can be signed here"
    app.session = msgspec.structs.replace(app.session, identities=(), half=half)
    app.identity = ("", "")

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        app.go("approvals", FIRST)
        await there(app, pilot, "approvals", FIRST)
        assert (half in screen_text(app)) is not read_only, "who only looks signs nothing anyway"
        if not read_only:
            await pilot.press("A")
            await shown(pilot, f"sign: {half}")

    play(app, story, (120, 40))
