"""http_post: what is sent, what is tried again and what is not, and which answers stop the pipeline."""

from __future__ import annotations

import hashlib
import socket
import time
from typing import Any

import pytest

from byteor.actions import attempt, http_post
from byteor.actions.http_post import HttpPost
from byteor.errors import ByteorError
from byteor.governance.allow_list import AllowList


def refused(call: Any, *args: Any) -> ByteorError:
    with pytest.raises(ByteorError) as caught:
        call(*args)
    return caught.value


def test_each_message_is_posted_once_with_its_key_and_passed_on_unchanged(server: Any, governed: Any) -> None:
    governed.decide(f"http_post:{server.origin}")
    messages = (b'{"a":1}', b"\xff plain", b"")
    assert governed.do(f"http_post:{server.origin}/hook?token=s3cret", *messages) == list(messages)
    assert [body for _, _, body in server.got] == list(messages)
    path, headers, _ = server.got[0]
    assert path == "/hook?token=s3cret"
    assert headers["Idempotency-Key"] == "sha256:" + hashlib.sha256(messages[0]).hexdigest()
    kinds = [headers["Content-Type"] for _, headers, _ in server.got]
    assert kinds == ["application/json", "application/octet-stream", "application/octet-stream"]
    assert governed.actions() == ["effect_intended"] * 3 + ["effect_done"] * 3
    assert b"s3cret" not in governed.log.read_bytes()


def test_the_row_is_durable_before_the_act(server: Any, governed: Any) -> None:
    seen: list[list[str]] = []

    def look(handler: Any) -> None:
        seen.append(governed.actions())
        handler.send_response(204)
        handler.end_headers()

    server.script = [look]
    governed.decide(f"http_post:{server.origin}")
    governed.do(f"http_post:{server.origin}/", b"x")
    assert seen == [["effect_intended"]]


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_what_may_be_asked_again_is_asked_again_with_the_same_key(
    server: Any, governed: Any, status: int
) -> None:
    server.script = [(status, {}), (status, {"Retry-After": "0"})]
    governed.decide(f"http_post:{server.origin}")
    governed.do(f"http_post:{server.origin}/", b"x")
    assert len(server.got) == 3
    assert len({headers["Idempotency-Key"] for _, headers, _ in server.got}) == 1
    assert governed.rows()[-1][1]["attempts"] == 3


@pytest.mark.parametrize(
    ("status", "row"),
    [(400, "effect_failed"), (401, "effect_failed"), (404, "effect_failed"), (302, "effect_failed"),
     (500, "effect_unknown"), (501, "effect_unknown")],
)  # fmt: skip
def test_another_answer_is_not_asked_again_and_stops_the_pipeline(
    server: Any, governed: Any, status: int, row: str
) -> None:
    server.script = [(204, {}), (status, {"Location": "http://127.0.0.1:1/"})]
    governed.decide(f"http_post:{server.origin}")
    error = refused(governed.do, f"http_post:{server.origin}/", b"a", b"b", b"c")
    assert (error.code, error.index) == ("E_ACTION_FAILED", 1)
    assert len(server.got) == 2
    assert governed.actions()[3:] == ["effect_done", row, "effect_not_done"]


def test_attempts_are_bounded_and_doubt_is_not_forgotten(server: Any, governed: Any) -> None:
    server.script = [(502, {}), *[(503, {})] * 9]
    governed.decide(f"http_post:{server.origin}")
    assert refused(governed.do, f"http_post:{server.origin}/", b"x").code == "E_ACTION_FAILED"
    assert len(server.got) == attempt.ATTEMPTS
    assert governed.rows()[-1][0] == "effect_unknown"


def test_a_lost_answer_is_in_doubt_and_asked_again(server: Any, governed: Any) -> None:
    def hang_up(handler: Any) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    server.script = [hang_up, hang_up]
    governed.decide(f"http_post:{server.origin}")
    governed.do(f"http_post:{server.origin}/", b"x")
    assert len(server.got) == 3


def test_nobody_there_is_told_after_all_attempts(governed: Any) -> None:
    governed.decide("http_post:http://127.0.0.1:1")
    error = refused(governed.do, "http_post:http://127.0.0.1:1/", b"x")
    assert "cannot connect: Connection refused (4 attempts; it did not happen)" in error.message


def test_a_server_that_drips_is_cut_off(server: Any, governed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_post, "ATTEMPT_S", 0.2)

    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(40):
            try:
                handler.wfile.write(b"X-Drip: 1\r\n")
            except OSError:
                return
            time.sleep(0.05)

    def silence(handler: Any) -> None:
        time.sleep(0.5)

    server.script = [drip, silence]
    began = time.monotonic()
    found = HttpPost(f"{server.origin}/").attempt(b"x", "k")
    assert (found.result, time.monotonic() - began < 1.5) == ("done", True)  # its status line did come
    assert HttpPost(f"{server.origin}/").attempt(b"x", "k").result == "unknown"


def test_a_long_answer_is_not_read_to_its_end(server: Any) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(1 << 16))
        except OSError:
            pass

    server.script = [endless]
    assert HttpPost(f"{server.origin}/").attempt(b"x", "k").result == "done"


def test_retry_after_is_followed_within_bounds(server: Any) -> None:
    server.script = [
        (503, {"Retry-After": "3"}),
        (503, {"Retry-After": "9999999"}),
        (503, {"Retry-After": "x"}),
    ]
    doer = HttpPost(f"{server.origin}/")
    assert [doer.attempt(b"x", "k").after_s for _ in range(3)] == [3.0, 5.0, 0.0]
    doer.close()


def test_the_same_connection_is_used_while_it_lasts(server: Any) -> None:
    peers: list[Any] = []

    def note(handler: Any) -> None:
        peers.append(handler.client_address)
        handler.send_response(204)
        handler.end_headers()

    server.script = [note, note]
    doer = HttpPost(f"{server.origin}/")
    doer.attempt(b"x", "k")
    doer.attempt(b"y", "k")
    doer.close()
    assert len(set(peers)) == 1


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("https://Alerts.Example/x", "alerts.example", 443, True),
        ("http://alerts.example:8080/x", "alerts.example", 8080, False),
        ("http://[::1]/x", "::1", 80, False),
        ("https://[::1]:8443/x", "::1", 8443, True),
    ],
)
def test_host_and_port_are_those_of_the_origin(url: str, host: str, port: int, tls: bool) -> None:
    doer = HttpPost(url)
    assert (doer._host, doer._port, doer._tls) == (host, port, tls)


def test_a_url_that_is_not_listed_keeps_the_stage_from_starting(server: Any, governed: Any) -> None:
    listed = AllowList(http=(f"{server.origin}/hooks",))
    governed.decide(f"http_post:{server.origin}", allowed=listed)
    governed.do(f"http_post:{server.origin}/hooks/a", b"x")
    error = refused(governed.do, f"http_post:{server.origin}/hooksX?token=s3cret", b"x")
    assert error.code == "E_ACTION_NOT_LISTED"
    assert "s3cret" not in error.message
    assert len(server.got) == 1


@pytest.mark.parametrize("url", ["https://u:p@h/", "ftp://h/", "https://h/a/../b", "https://h/#f", "h/x"])
def test_a_wrong_url_is_told_when_the_key_is_resolved(url: str) -> None:
    from byteor.runtime.stages import resolve

    assert refused(resolve, f"http_post:{url}").code == "E_STAGE_PARAMETERS"


def test_a_certificate_that_nobody_trusts_is_no_connection(tmp_path: Any) -> None:
    import datetime
    import ssl
    import threading

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = tmp_path / "cert.pem"
    pem.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                try:
                    server_side.wrap_socket(peer, server_side=True).close()
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        found = HttpPost(f"https://127.0.0.1:{listener.getsockname()[1]}/").attempt(b"x", "k")
        thread.join()
    assert (found.result, found.again) == ("failed", False)
    assert "certificate is not trusted" in found.detail
