"""The four keys that commit: no way around the dialog, no act on another target, nothing by a bare Enter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from byteor_tui.actions.verbs import commits, run_verb
from byteor_tui.app import ConsoleApp
from byteor_tui.demo_people import PASSPHRASE, People, make_people
from byteor_tui.demo_plan import PLAN
from byteor_tui.model.arming import LIFE_S, Armed, Commit, Outcome, Target, commit, judge, new_code
from byteor_tui.model.run import Run
from byteor_tui.model.session import Session
from byteor_tui.screens.armed import ArmedScreen, framed
from byteor_tui.screens.text_lines import field
from byteor_tui.shot import screen_text
from byteor_tui.tones import Tone, span_width
from tests.tui.waiting import shown, until

Story = Callable[[ConsoleApp, Pilot[None]], Awaitable[None]]
REQUEST = Target("request", "11111111-2222-4333-8444-555555555555", "r1")


def armed_for(target: Target = REQUEST, *, at: float = 100.0, code: str = "K7QD") -> Armed:
    return Armed("sign", "SIGN", target, ("approval", "approve", target.id), (), code, at, "sign")


@pytest.mark.parametrize(
    ("typed", "current", "now", "outcome"),
    [
        ("K7QD", REQUEST, 101.0, Outcome.COMMIT),
        ("k7qd", REQUEST, 101.0, Outcome.COMMIT),
        ("", REQUEST, 101.0, Outcome.NOTHING),
        ("K7Q", REQUEST, 101.0, Outcome.WRONG),
        ("K7QD ", REQUEST, 101.0, Outcome.WRONG),
        ("K7QD", REQUEST, 100.0 + LIFE_S + 0.1, Outcome.LATE),
        ("K7QD", REQUEST, 99.0, Outcome.LATE),
        ("K7QD", msgspec.structs.replace(REQUEST, revision="r2"), 101.0, Outcome.MOVED),
        ("K7QD", msgspec.structs.replace(REQUEST, id="another"), 101.0, Outcome.GONE),
        ("K7QD", None, 101.0, Outcome.GONE),
    ],
)
def test_only_the_code_in_time_on_the_same_target_commits(
    typed: str, current: Target | None, now: float, outcome: Outcome
) -> None:
    assert judge(armed_for(), typed, current, now) is outcome
    assert isinstance(commit(armed_for(), typed, current, now), Commit) is (outcome is Outcome.COMMIT)


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123")), max_size=8),
    chosen=st.tuples(st.sampled_from("abcdef"), st.sampled_from("123")),
)
def test_whatever_happens_to_the_rows_an_act_hits_its_own_target_or_none(
    rows: list[tuple[str, str]], chosen: tuple[str, str]
) -> None:
    armed = armed_for(Target("request", *chosen))
    known = dict(rows)  # ids are unique; their order and company are anything
    current = Target("request", chosen[0], known[chosen[0]]) if chosen[0] in known else None
    found = commit(armed, armed.code, current, 101.0)
    if isinstance(found, Commit):
        assert found.take() == ("approval", "approve", chosen[0])
        assert known[chosen[0]] == chosen[1]
    else:
        assert known.get(chosen[0]) != chosen[1]


def test_a_commit_cannot_be_made_by_hand_and_runs_once() -> None:
    with pytest.raises(TypeError):
        Commit(object(), ("freeze", "prod"), "")
    found = commit(armed_for(), "K7QD", REQUEST, 101.0)
    assert isinstance(found, Commit)
    found.take()
    with pytest.raises(RuntimeError):
        found.take()


@pytest.mark.parametrize(
    "argv",
    [
        ("approval", "approve", "x"),
        ("approval", "deny", "x"),
        ("freeze", "prod"),
        ("replay", "x", "--mode=execute"),
        ("run", "x"),
    ],
)
def test_a_verb_that_commits_does_not_run_without_having_been_armed(argv: tuple[str, ...]) -> None:
    assert commits(argv)
    with pytest.raises(PermissionError):
        run_verb(argv)


def test_a_dry_run_and_a_request_commit_nothing() -> None:
    assert not commits(("replay", "x", "--mode=dry_run"))
    assert not commits(("approval", "request", "x", "--env=prod", "--reason=execute it"))


def test_codes_are_new_each_time_and_have_no_letter_that_looks_like_another() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) > 190
    assert all(len(code) == 4 and not set(code) & set("O0I1") for code in codes)


# With real keys, a real request and the real verbs


@pytest.mark.parametrize(
    "text", ["plain", "障害が発生しました本番環境を停止する必要があります", "w\u0333i\u0301de", "x" * 90]
)
@pytest.mark.parametrize("width", [20, 41, 66])
def test_the_frame_is_closed_at_its_right_side_whatever_is_told_in_it(text: str, width: int) -> None:
    inner = field("reason", text, width - 4)
    for line in framed(f"FREEZE {text}", inner, width, len(inner) + 2, prod=True, ascii=False):
        assert (span_width(line), line[-1][0][-1] in "╗║╝") == (width, True)


@pytest.mark.parametrize("rows", range(3, 14))
@pytest.mark.parametrize("asks", [1, 2])
def test_a_dialog_with_too_few_rows_says_that_it_hides_lines_and_keeps_the_field(
    rows: int, asks: int
) -> None:
    inner = [((text, Tone.PLAIN),) for text in ["fact"] * 7]
    inner += [(), *[(("ask", Tone.WARN),)] * asks, (("> _", Tone.KEY),)]
    lines = framed("SIGN", inner, 40, rows, prod=True, ascii=False)
    told = ["".join(text for text, _ in line[1:-1]).strip() for line in lines[1:-1]]
    said = [line for line in told if "more lines" in line]
    assert (len(lines), told[-1]) == (min(rows, len(inner) + 2), "> _")
    if 7 <= rows < len(inner) + 2:
        assert said == [f"{len(inner) - len(told) + 1} more lines: make it taller"]
    elif rows > 7:
        assert not said


@pytest.fixture
def people(private: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    monkeypatch.chdir(private)
    (private / "host-telemetry.plan.kv").write_text(PLAN)
    return make_people(private, "http://127.0.0.1:9/alert")


@pytest.fixture
def asked(people: People, private: Path) -> str:
    argv = [
        "approval",
        "request",
        "host-telemetry.plan.kv",
        "--env=prod",
        "--reason=try it",
    ]
    return str(run_verb(argv).document["request_id"])


@pytest.fixture
def app(people: People, run: Run, sample: Any, played: Any, private: Path) -> ConsoleApp:
    from byteor.spec import load

    folder = private / "run" / "r"
    folder.mkdir(mode=0o700, parents=True)
    spec = load(private / "host-telemetry.plan.kv")
    (folder / "spec.kv").write_bytes(spec.canonical.replace(b"zscore:120,4.0", b"zscore:120,5.0"))
    session = Session(env="prod", identities=people.identities, spec=private / "host-telemetry.plan.kv")
    here = msgspec.structs.replace(run, folder=str(folder))
    return ConsoleApp(here, opener=lambda _: played(lambda at_s: sample(at_s)), session=session)


def play(app: ConsoleApp, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await story(app, pilot)

    asyncio.run(run())


async def to_request(app: ConsoleApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app.view().open_requests == 1 and app.view().frame is not None)
    await pilot.press("a")
    await until(pilot, lambda: app.view().specs.asked is not None and app.view().specs.asked.path)


async def see_everything(app: ConsoleApp, pilot: Pilot[None]) -> int:
    pressed = 0
    while app.situation().unseen and pressed < 20:
        await pilot.press("n")
        await pilot.pause()
        pressed += 1
    return pressed


def test_signing_stays_off_until_every_hunk_was_seen_then_code_and_passphrase_sign(
    app: ConsoleApp, asked: str
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await to_request(app, pilot)
        await pilot.press("A")
        assert not isinstance(app.screen, ArmedScreen), "hunks are unseen"
        assert await see_everything(app, pilot) > 0
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, ArmedScreen))
        dialog = app.screen
        assert isinstance(dialog, ArmedScreen)
        await shown(pilot, "SIGN", "PROD", dialog.armed.code, "╔")
        await pilot.press("enter")
        assert isinstance(app.screen, ArmedScreen), "a bare Enter commits nothing"
        await pilot.press(*dialog.armed.code, "enter")
        await pilot.press(*PASSPHRASE, "enter")
        await until(pilot, lambda: "-> " + asked in "\n".join(one.text for one in app.log_pane.entries))
        await until(pilot, lambda: app.view().evidence.approvals.rows[0].approved_by == ("alice-1",))
        assert any(one.audit_seq is not None and "approve" in one.text for one in app.log_pane.entries)
        await pilot.press("A")
        assert not isinstance(app.screen, ArmedScreen), "alice has answered"
        await pilot.press("I", "A")
        await until(pilot, lambda: isinstance(app.screen, ArmedScreen))
        dialog = app.screen
        assert isinstance(dialog, ArmedScreen)
        await pilot.press(*dialog.armed.code, "enter", *PASSPHRASE, "enter")
        await until(pilot, lambda: app.view().evidence.approvals.rows[0].state == "approved")

    play(app, story)


def test_an_answer_that_comes_meanwhile_kills_the_dialog(app: ConsoleApp, asked: str) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await to_request(app, pilot)
        await see_everything(app, pilot)
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, ArmedScreen))
        dialog = app.screen
        assert isinstance(dialog, ArmedScreen)
        evidence = app.collector.latest
        app.collector.close()
        moved = tuple(msgspec.structs.replace(row, revision="moved") for row in evidence.approvals.rows)
        approvals = msgspec.structs.replace(evidence.approvals, rows=moved)
        app.collector.latest = msgspec.structs.replace(evidence, approvals=approvals)
        await pilot.press(*dialog.armed.code, "enter")
        await shown(pilot, "it has changed meanwhile")
        assert isinstance(app.screen, ArmedScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ArmedScreen))
        assert not [one for one in app.log_pane.entries if one.command]

    play(app, story)


def test_a_read_only_console_binds_none_of_the_four_keys(
    people: People, run: Run, sample: Any, played: Any
) -> None:
    session = Session(env="prod", identities=people.identities, read_only=True)
    app = ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)), session=session)
    assert not set("ADXF") & set(app._bindings.key_to_bindings)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.view().frame is not None)
        for place, keys in (("1", ["F", "s", "H", "enter"]), ("3", "AD"), ("6", "Xx")):
            await pilot.press(place, *keys)
            await pilot.pause()
            assert not isinstance(app.screen, ArmedScreen)
        assert not [one for one in app.log_pane.entries if one.command and "doctor" not in one.text]
        assert " RO " in screen_text(app).splitlines()[0]

    play(app, story, (120, 40))
