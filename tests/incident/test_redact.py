"""No secret enters a bundle: thirty canaries, planted wherever an operator might leave one."""

from __future__ import annotations

import msgspec
import pytest

from byteor.incident import evidence
from byteor.incident.capture import CaptureFacts
from byteor.incident.redact import Redactor
from byteor.incident.slice import capture_member

SALT = b"s" * 32
CANARIES = [f"canary-{n:02d}-hunter2" for n in range(30)]
VARIABLES = [
    "AWS_SECRET_ACCESS_KEY", "PASSWORD", "DATABASE_URL", "TOKEN", "PGPASSWORD", "HOME", "BYTEOR_STATE_DIR",
    "SSH_AUTH_SOCK", "MY_LANG", "lang", "BYTEOR_SECRET", "PATH",
]  # fmt: skip


def test_variables_keep_their_names_and_only_harmless_values() -> None:
    shown = Redactor(SALT).environment(
        {**dict(zip(VARIABLES, CANARIES, strict=False)), "LANG": "C.UTF-8", "TZ": "UTC; " + CANARIES[13]}
    )
    assert set(shown) == {*VARIABLES, "LANG", "TZ"}
    assert shown["LANG"] == "C.UTF-8"
    assert "canary" not in str(shown.values())


@pytest.mark.parametrize(
    "words",
    [
        ["byteor", "run", "a.spec.kv", "--source", "tcp:{}@host:1"],
        ["byteor", "run", "--source=http:https://u:{}@h/"],
        ["byteor", "run", "a.spec.kv", "--sink", "x=file:/{}"],
        ["byteor", "run", "{}"],
        ["byteor", "{}", "run"],
        ["byteor", "run", "--token", "{}"],
        ["byteor", "run", "--token={}"],
        ["byteor", "run", "--name", "{} and more"],
        ["byteor", "run", "-k", "{}"],
        ["/opt/{}/byteor", "run"],
        ["byteor", "run", "a.spec.kv", "{}"],
        ["byteor", "run", "a.spec.kv", "--", "{}"],
        ["byteor", "audit", "log", "{}"],
    ],
)
def test_arguments_that_are_not_known_to_be_harmless_become_digests(words: list[str]) -> None:
    shown = Redactor(SALT).arguments([word.format(CANARIES[20]) for word in words])
    assert "canary" not in " ".join(shown)
    assert len(shown) == len(words)


def test_harmless_arguments_stay_readable() -> None:
    words = [
        "/usr/bin/byteor",
        "run",
        "specs/a.spec.kv",
        "--wait",
        "block",
        "--source",
        "generate:0,64,1",
        "--json",
    ]
    assert Redactor(SALT).arguments(words) == ["byteor", *words[1:]]


def test_a_settings_file_keeps_its_keys() -> None:
    text = (
        f'org_id = "{CANARIES[21]}"\n[settings]\nwait = "block"\nstate_dir = "/home/{CANARIES[22]}"\n'
        f'[environments.prod]\nposture = "prod"\n'
        f'quorum = [{{ group = "ops", n = 1, secret = "{CANARIES[23]}" }}]\n'
    )
    shown = Redactor(SALT).settings_file(text)
    assert "settings.wait=block" in shown
    assert "environments.prod.posture=prod" in shown
    assert "environments.prod.quorum.0.secret=hmac-sha256:" in shown
    assert "canary" not in shown
    assert "canary" not in Redactor(SALT).settings_file(f"= broken {CANARIES[24]}")


def test_a_capture_loses_the_arguments_of_its_ends_and_the_paths_of_its_modules() -> None:
    facts = CaptureFacts(
        run_id="r", name="n", pipeline="p", model="single_ring", spec_hash="sha256:0", env="dev",
        started_unix_ns=1, source=f"tcp:{CANARIES[25]}:1 a=file:/{CANARIES[26]}", sink=f"http:https://{CANARIES[27]}/",
        egress="payload", seed=1, kernel="native", package_version="0", stages=(),
        stage_modules=(f"/home/{CANARIES[28]}/mine.py",),
    )  # fmt: skip
    data = capture_member(facts, Redactor(SALT))["capture.json"]
    assert b"canary" not in data
    assert msgspec.json.decode(data)["stage_modules"] == ["mine.py"]


def test_digests_compare_within_a_host_and_say_nothing_without_its_salt() -> None:
    one, other = Redactor(SALT), Redactor(b"t" * 32)
    assert one.digest("x") == one.digest("x") != one.digest("y")
    assert one.digest("x") != other.digest("x")


def test_this_process_as_environment_json_has_no_value_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    shown = msgspec.json.decode(evidence.environment(os.getpid(), True, Redactor(SALT)))
    assert shown["pid"] == os.getpid()
    assert "PATH" in shown["env"]
    assert shown["env"]["PATH"].startswith("hmac-sha256:")
    assert shown["proc_status"]["Threads"].isdigit()
