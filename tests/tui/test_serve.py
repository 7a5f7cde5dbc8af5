"""The console in a browser, with real requests: nobody without the token, nothing that acts, nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.errors import ByteorError
from byteor_tui.serve.door import Door, new_token
from byteor_tui.serve.site import read_token

URL = "http://127.0.0.1:8323"


class Served:
    """``byteor-console serve`` of one run."""

    def __init__(self, *args: str) -> None:
        command = [sys.executable, "-m", "byteor_tui", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        with self.process.stdout as said:
            self.invitation = said.readline().strip()
        self.url = self.invitation.partition("/?")[0]

    def visitors(self) -> list[int]:
        """Pids of consoles that this server started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=15)


@pytest.fixture
def served(private: Path, live: Any) -> Iterator[Served]:
    made = Served("--run", live.run.name, "serve", "--port=0")
    yield made
    with contextlib.suppress(ProcessLookupError):
        made.process.kill()
    made.process.wait()


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def shown(socket: aiohttp.ClientWebSocketResponse, *words: str) -> str:
    """Read until every word was sent."""
    text = ""
    async with asyncio.timeout(20):
        while not all(word in text for word in words):
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, message
            text += re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", "", message.data.decode())
    return text


def test_nobody_comes_in_without_the_token_and_with_it_the_console_is_there_read_only(
    served: Served, private: Path
) -> None:
    async def visit() -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

            async def status(path: str, **headers: str) -> int:
                async with session.get(served.url + path, headers=headers, allow_redirects=False) as answer:
                    assert answer.headers["X-Frame-Options"] == "DENY"
                    return answer.status

            for path in ("/", "/ws", "/static/js/textual.js", "/download/x", "/nowhere"):
                assert await status(path) == 401, path
                assert await status(f"{path}?token={new_token()}") == 401, path
            assert await status("/", Authorization="Bearer " + new_token()) == 401
            token = served.invitation.partition("token=")[2]
            assert await status(f"/?token={token}", Host="rebound.example") == 421
            assert await status(f"/?token={token}", Origin="https://rebound.example") == 403
            assert await status("/", Authorization=f"Bearer {token}") == 200
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(served.url + "/ws")
            assert refused.value.status == 401 and not served.visitors()

            assert (
                await status(f"/?token={token}") == 303
            )  # the cookie is set and the token leaves the address
            async with session.get(served.url + "/") as answer:
                page = await answer.text()
                assert answer.status == 200 and token not in page
                assert "ws://" + served.url.removeprefix("http://") + "/ws" in page
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert await status("/static/js/textual.js") == 200
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(served.url + "/ws", origin="http://127.0.0.1:1")
            assert refused.value.status == 403
            assert await status("/ws?width=99999") == 400
            async with session.ws_connect(served.url + "/ws?width=120&height=40") as socket:
                await shown(socket, "LIVE", "annotate", " RO ")
                (pid,) = served.visitors()
                argv = Path(f"/proc/{pid}/cmdline").read_bytes()
                assert b"--read-only" in argv
                await socket.send_json(["stdin", "sFiHxo"])
                await socket.send_json(["stdin", "7"])
                await shown(socket, "7 Audit")
                await socket.send_json(["ping", "x"])
            for _ in range(200):
                if not is_there(pid):
                    break
                await asyncio.sleep(0.05)
            assert not is_there(pid), "a visitor's console ends with the visit"

    asyncio.run(visit())
    assert not (private / "state" / "snapshots").exists() and not (private / "state" / "handovers").exists()
    assert served.end(signal.SIGTERM) == 143


def test_the_consoles_of_visitors_do_not_outlive_a_killed_server(served: Served) -> None:
    async def visit() -> int:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.get(served.invitation) as answer:
                assert answer.status == 200
            async with session.ws_connect(served.url + "/ws") as socket:
                await shown(socket, "LIVE")
                (pid,) = served.visitors()
                served.end(signal.SIGKILL)
                return pid

    pid = asyncio.run(visit())
    end = time.monotonic() + 15
    while is_there(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


@given(st.text(max_size=60), st.sampled_from(["token", "cookie", "bearer"]))
def test_no_text_but_the_token_opens_the_door(text: str, where: str) -> None:
    door = Door(URL, token := new_token())
    headers = {"Host": "127.0.0.1:8323"} | ({"Authorization": f"Bearer {text}"} if where == "bearer" else {})
    cookies = {door.cookie: text} if where == "cookie" else {}
    query = {"token": text} if where == "token" else {}
    refusal = door.refusal(headers, cookies, query)
    assert refusal is not None and refusal.status == 401
    assert door.refusal(headers, {}, {"token": token}) is None or where == "bearer"
    assert door.refusal({"Host": "127.0.0.1:8323"}, {door.cookie: door.pass_}, {}) is None


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.0.0.1:80", "localhost:8323", "evil.example:8323"])
def test_only_one_host_name_is_ours_whatever_the_token(host: str) -> None:
    door = Door(URL, token := new_token())
    refusal = door.refusal({"Host": host}, {}, {"token": token})
    assert refusal is not None and refusal.status == 421 and token not in refusal.why


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("x" * 43, 0o644, "others can read it"),
        ("short", 0o600, "20 or more"),
        ("two words " * 5, 0o600, "20"),
    ],
)
def test_a_weak_token_file_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "token"
    path.write_text(text + "\n")
    path.chmod(mode)
    with pytest.raises(ByteorError, match=said) as caught:
        read_token(path)
    assert caught.value.code == "E_SERVE_TOKEN" and caught.value.exit == 4


def test_a_token_of_ones_own_is_read_and_not_printed(private: Path) -> None:
    path = private / "token"
    path.write_text(token := new_token())
    path.chmod(0o600)
    served = Served("serve", "--port=0", f"--token-file={path}")
    try:
        assert token not in served.invitation
        assert served.end(signal.SIGINT) == 130
    finally:
        served.process.kill()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--port=99999"], "'99999' is not a port"),
        (["--public-url=ftp://x"], "is not https://HOST"),
        (["--public-url=https://x/y?z"], "is not https://HOST"),
    ],
)
def test_wrong_options_are_told(private: Path, args: list[str], said: str) -> None:
    argv = [sys.executable, "-m", "byteor_tui", "serve", *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
