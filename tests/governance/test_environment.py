"""What a byteor.toml may say, and that all its problems are told at once."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from byteor.governance.environment import (
    BUILT_IN_DEV,
    Environment,
    EnvironmentFileError,
    Quota,
    environments_of,
)

HEAD = 'org_id = "acme"\nproject_id = "telemetry"\n'


def read(text: str) -> dict[str, Environment]:
    found = environments_of(tomllib.loads(HEAD + text), source="byteor.toml", trusted=False)
    return {environment.name: environment for environment in found}


def problems(text: str, head: str = HEAD) -> list[str]:
    with pytest.raises(EnvironmentFileError) as caught:
        environments_of(tomllib.loads(head + text), source="byteor.toml", trusted=False)
    assert caught.value.code == "E_ENVIRONMENT_FILE"
    assert caught.value.exit == 3
    return [key for key, _, _ in caught.value.problems]


@pytest.mark.parametrize(
    ("posture", "replay", "side_effects"),
    [
        ("dev", "allowed", "allow_all"),
        ("staging", "dry_run_only", "require_approval"),
        ("prod", "dry_run_only", "require_approval"),
    ],
)
def test_a_table_that_names_only_its_posture_has_the_defaults(
    posture: str, replay: str, side_effects: str
) -> None:
    environment = read(f'[environments.here]\nposture = "{posture}"')["here"]
    assert (environment.replay, environment.side_effects) == (replay, side_effects)
    assert (environment.id, environment.quorum) == ("here", (Quota("*", 1),))


def test_the_example_of_the_design_is_read() -> None:
    text = """[environments.prod]
id = "prod-eu-1"
posture = "prod"
replay = "dry_run_only"
side_effects = "require_approval"
quorum = [{ group = "risk", n = 1 }, { group = "ops", n = 2 }]"""
    assert read(text)["prod"] == Environment(
        "prod", "prod-eu-1", "acme", "telemetry", "prod", "dry_run_only", "require_approval",
        (Quota("ops", 2), Quota("risk", 1)), False, "byteor.toml",
    )  # fmt: skip


REFUSED = [
    ('[environments.p]\nposture = "prod"\nside_effects = "allow_all"', ["environments.p.side_effects"]),
    ("[environments.p]", ["environments.p.posture"]),
    ('[environments.p]\nposture = "production"', ["environments.p.posture"]),
    ('[environments.p]\nposture = ["dev"]', ["environments.p.posture"]),
    ('[environments.p]\nposture = "dev"\nreplay = "yes"', ["environments.p.replay"]),
    ('[environments.p]\nposture = "dev"\nside_effects = true', ["environments.p.side_effects"]),
    ('[environments.p]\nposture = "dev"\nside_effect = "deny_all"', ["environments.p.side_effect"]),
    ('[environments.p]\nposture = "dev"\nid = ""', ["environments.p.id"]),
    ('[environments.p]\nposture = "dev"\nquorum = []', ["environments.p.quorum"]),
    ('[environments.p]\nposture = "dev"\nquorum = 1', ["environments.p.quorum"]),
    ('[environments.p]\nposture = "dev"\nquorum = [{ group = "a" }]', ["environments.p.quorum.0"]),
    ('[environments.p]\nposture = "dev"\nquorum = [{ group = "a", n = 0 }]', ["environments.p.quorum.0"]),
    ('[environments.p]\nposture = "dev"\nquorum = [{ group = "a", n = true }]', ["environments.p.quorum.0"]),
    ('[environments.p]\nposture = "dev"\nquorum = [{ group = "a", n = 101 }]', ["environments.p.quorum.0"]),
    ('[environments.p]\nposture = "dev"\nquorum = [{ group = "", n = 1 }]', ["environments.p.quorum.0"]),
    (
        '[environments.p]\nposture = "dev"\nquorum = [{ group = "a", n = 1, x = 1 }]',
        ["environments.p.quorum.0"],
    ),
    (
        '[environments.p]\nposture = "dev"\nquorum = [{ group = "a", n = 1 }, { group = "a", n = 2 }]',
        ["environments.p.quorum"],
    ),
    (
        '[environments.a]\nid = "x"\nposture = "dev"\n[environments.b]\nid = "x"\nposture = "dev"',
        ["environments.a.id", "environments.b.id"],
    ),
    ("environments = 1", ["environments"]),
    ("environments.p = 1", ["environments.p"]),
    (
        '[environments.a]\nposture = "x"\n[environments.b]\nreplay = 1\nposture = "dev"\nfoo = 1',
        ["environments.a.posture", "environments.b.foo", "environments.b.replay"],
    ),
]


@pytest.mark.parametrize(("text", "keys"), REFUSED)
def test_a_wrong_table_is_refused_with_every_place(text: str, keys: list[str]) -> None:
    assert problems(text) == keys


@pytest.mark.parametrize(
    "head", ["", 'org_id = "acme"\n', 'project_id = "telemetry"\n', 'org_id = ""\nproject_id = "t"\n']
)
def test_approvals_need_an_organisation_and_a_project(head: str) -> None:
    assert "org_id" in problems('[environments.p]\nposture = "staging"', head)


def test_a_mistyped_key_names_the_nearest() -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        read('[environments.p]\nposture = "dev"\nside_efects = "deny_all"')
    assert caught.value.hint == "did you mean `side_effects`?"
    assert str(caught.value.where) == "byteor.toml (environments.p.side_efects)"


def test_without_a_file_there_is_dev_that_denies_effects() -> None:
    assert (BUILT_IN_DEV.name, BUILT_IN_DEV.posture, BUILT_IN_DEV.side_effects) == ("dev", "dev", "deny_all")


CHANGES: list[dict[str, Any]] = [
    {"id": "other"}, {"org_id": "other"}, {"project_id": "other"}, {"posture": "dev"}, {"replay": "allowed"},
    {"side_effects": "deny_all"}, {"quorum": (Quota("ops", 2),)},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_tells_every_difference_that_decides(change: dict[str, Any], world: Any) -> None:
    assert world.environment(**change).digest != world.environment().digest


def test_the_digest_does_not_depend_on_where_it_was_read(world: Any) -> None:
    assert world.environment(source="x", trusted=False, name="y").digest == world.environment().digest
