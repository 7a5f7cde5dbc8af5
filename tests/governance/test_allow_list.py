"""Allow-lists compare parsed origins and whole path segments; what a server may read otherwise is refused."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from byteor.governance.allow_list import AllowList, allow_list_problems, exec_listed, http_listed, http_target
from byteor.governance.environment import EnvironmentFileError, environments_of

LISTED = AllowList(http=("https://alerts.example/hooks", "http://[::1]:8080/a/"), exec=("/usr/bin/notify",))


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("https://alerts.example/hooks", True),
        ("https://ALERTS.example:443/hooks/team?x=/../", True),
        ("https://alerts.example/hooks/", True),
        ("https://alerts.example/hooksX", False),
        ("https://alerts.example/", False),
        ("https://alerts.example", False),
        ("https://alerts.example/%68ooks", False),
        ("http://alerts.example/hooks", False),
        ("https://alerts.example:8443/hooks", False),
        ("https://alerts.example.evil.example/hooks", False),
        ("https://evil.example/https://alerts.example/hooks", False),
        ("http://[0:0::1]:8080/a/b", True),
        ("http://[::1]:8080/a", False),
    ],
)
def test_a_url_is_listed_by_origin_and_whole_path_segments(url: str, listed: bool) -> None:
    assert http_listed(url, LISTED) is listed


@pytest.mark.parametrize(
    "path",
    ["/hooks/../admin", "/hooks/%2e%2e/admin", "/hooks/..;/admin", "/hooks/%252e%252e/x", "/hooks/a%2fb",
     "/hooks/a%5cb", "/hooks/%00", "/hooks/.", "/hooks/#f", "/hooks/%2E./x"],
)  # fmt: skip
def test_paths_that_may_be_read_otherwise_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        http_target("https://alerts.example" + path)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h", ("https://h", "/", "/")),
        ("https://h?x=1", ("https://h", "/", "/?x=1")),
        ("https://h/a?x=/b?c", ("https://h", "/a", "/a?x=/b?c")),
        ("https://h/a?", ("https://h", "/a", "/a?")),
        ("https://h/a;v=1/...", ("https://h", "/a;v=1/...", "/a;v=1/...")),
    ],
)
def test_a_url_is_taken_apart_as_it_is_asked_for(url: str, target: tuple[str, str, str]) -> None:
    assert tuple(http_target(url)) == target


@pytest.mark.parametrize(
    "tail", ["/\xe9", "/?\xe9", "/\x7f", "/?\x00", "/a?b#c", "#c", "/a/.;x", "/%2e", "/%252e."]
)
def test_what_is_not_sent_as_written_is_refused(tail: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        http_target("https://h" + tail)


def test_the_default_lists_nothing_of_its_own() -> None:
    assert AllowList().is_default
    assert not AllowList(http=()).is_default
    assert not AllowList(exec=("/bin/a",)).is_default
    assert allow_list_problems(["https://h/a"], ["/bin/a"]) == []
    for http, programs in ((["https://h/?a"], []), (["ftp://h/"], []), ([], ["/bin/a|b"]), ([], ["a"])):
        assert len(allow_list_problems(http, programs)) == 1


def test_without_a_list_http_is_policys_business_and_no_program_runs() -> None:
    assert http_listed("https://anywhere.example/", AllowList())
    assert not exec_listed("/usr/bin/notify", AllowList())
    assert exec_listed("/usr/bin/notify", LISTED)
    assert not exec_listed("/usr/bin/../bin/notify", LISTED)


def read(actions: str) -> Any:
    text = f'org_id = "a"\nproject_id = "b"\n[environments.x]\nposture = "dev"\n{actions}'
    return environments_of(tomllib.loads(text), source="t", trusted=False)[0]


def test_a_table_lists_actions_and_its_digest_says_so() -> None:
    plain = read("")
    listing = read('[environments.x.actions]\nhttp = ["https://b.example/x", "https://a.example/"]\n')
    assert listing.actions == AllowList(http=("https://a.example/", "https://b.example/x"))
    assert read("[environments.x.actions]\n").digest == plain.digest
    assert (
        len({plain.digest, listing.digest, read('[environments.x.actions]\nexec = ["/bin/a"]\n').digest}) == 3
    )
    assert read("[environments.x.actions]\nhttp = []\n").actions.http == ()


@pytest.mark.parametrize(
    "actions",
    ["actions = 1", "[environments.x.actions]\nhttps = []", "[environments.x.actions]\nexec = [1]",
     '[environments.x.actions]\nhttp = ["https://u@h/"]', '[environments.x.actions]\nhttp = ["https://h/?q"]',
     '[environments.x.actions]\nexec = ["notify"]', '[environments.x.actions]\nexec = ["/bin/a|b"]',
     '[environments.x.actions]\nhttp = "https://h/"'],
)  # fmt: skip
def test_a_wrong_list_is_refused_at_load(actions: str) -> None:
    with pytest.raises(EnvironmentFileError):
        read(actions)
