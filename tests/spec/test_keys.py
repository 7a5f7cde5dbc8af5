"""Stage keys: what the spec layer knows agrees with what the runtime has; origins are spelled one way."""

from __future__ import annotations

import pytest

from byteor.runtime.stages.built_in import built_in
from byteor.spec.keys import BUILTIN_KEYS, StageKeyError, capability, exec_program, exec_words, http_origin

ACTIONS = {"http_post", "exec"}  # of the actions package, not yet in the runtime's catalogue


def test_the_table_agrees_with_the_runtime() -> None:
    offered = {key: (stage.writes, stage.native is not None) for key, stage in built_in().items()}
    known = {key.name: (key.writes, key.native) for key in BUILTIN_KEYS.values() if key.name not in ACTIONS}
    assert known == offered


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:9/x?a=b", "http://127.0.0.1:9"),
        ("HTTPS://Example.COM:443/a", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:", "http://example.com"),
        ("https://example.com:080/", "https://example.com:80"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]"),
        ("http://[FE80::A]:80/", "http://[fe80::a]"),
        ("https://a-b.c_d.example?x=1@2", "https://a-b.c_d.example"),
        ("https://example.com#@evil.example", "https://example.com"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert http_origin(url) == origin
    assert capability(f"http_post:{url}") == f"http_post:{origin}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/x",
        "//example.com",
        "ftp://example.com/",
        "https://me@example.com/",
        "https://me:secret@example.com/",
        "https://@example.com/",
        "http://",
        "http:///path",
        "http://exa mple.com/",
        "http://example.com\\@evil.example/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:99999999999999/",
        "http://example.com:8a/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://256.1.1.1/",
        "http://[::1/",
        "http://[::g]/",
        "http://::1/",
        "http://example..com/",
        "http://example.com./",
        "http://-example.com/",
        "http://%65xample.com/",
        "http://" + "a" * 64 + ".com/",
    ],
)
def test_an_origin_that_could_be_read_two_ways_is_refused(url: str) -> None:
    with pytest.raises(StageKeyError) as caught:
        http_origin(url)
    assert caught.value.code == "E_URL"


def test_exec_hands_its_arguments_over_as_they_are_written() -> None:
    assert exec_words("/usr/bin/notify") == ("/usr/bin/notify",)
    assert exec_words("/usr/bin/notify|--now|a b||") == ("/usr/bin/notify", "--now", "a b", "", "")


def test_exec_names_its_program_as_written() -> None:
    assert capability("exec:/usr/bin/../bin/notify|--now|a b") == "exec:/usr/bin/../bin/notify"
    with pytest.raises(StageKeyError, match="blank"):
        capability("exec:/usr/bin/notify --now")
    for wrong in ("", "notify", "./notify", " /bin/notify", "/bin/"):
        with pytest.raises(StageKeyError):
            exec_program(wrong)


def test_other_keys_need_no_capability() -> None:
    assert capability("identity") is None
    assert capability("somebody_elses:argument") is None
