"""An environment as a value: its defaults, its digest, and what a byteor.toml says about several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from byteor.errors import Where
from byteor.governance.allow_list import AllowList, allow_list_problems
from byteor.governance.canonical import digest_of
from byteor.governance.errors import CODES, GovernanceError
from byteor.governance.policy import POSTURES, REPLAY_POLICIES, SIDE_EFFECT_POLICIES
from byteor.spec.nearest import did_you_mean

ANY_GROUP: Final = "*"


class Quota(msgspec.Struct, frozen=True):
    """``n`` different people of ``group`` (``*``: of any group)."""

    group: str
    n: int


class Environment(msgspec.Struct, frozen=True):
    """Where something runs. ``name`` is the table's name; ``id`` is what approvers sign.

    ``trusted``: read from a place that whoever asks for a run cannot supply, so effects may follow.
    """

    name: str
    id: str
    org_id: str
    project_id: str
    posture: str
    replay: str
    side_effects: str
    quorum: tuple[Quota, ...]
    trusted: bool = False
    source: str = "built in"
    actions: AllowList = AllowList()

    @property
    def digest(self) -> str:
        """``sha256:...`` of what decides, wherever it was read. In every decision row and every approval."""
        # A table without [actions] keeps the digest that it had before there were any.
        listed = {} if self.actions.is_default else {"actions": msgspec.to_builtins(self.actions)}
        return digest_of(
            {
                **listed,
                "v": 1,
                "environment_id": self.id,
                "org_id": self.org_id,
                "project_id": self.project_id,
                "posture": self.posture,
                "replay": self.replay,
                "side_effects": self.side_effects,
                "quorum": [{"group": quota.group, "n": quota.n} for quota in self.quorum],
            }
        )

    @property
    def allows_effects_here(self) -> bool:
        """Whether side effects may run under it: a dev environment, or a trusted one."""
        return self.trusted or self.posture == "dev"


# What a table that names only its posture means: (replay, side effects).
_DEFAULTS: Final = {
    "dev": ("allowed", "allow_all"),
    "staging": ("dry_run_only", "require_approval"),
    "prod": ("dry_run_only", "require_approval"),
}
_DEFAULT_QUORUM: Final = (Quota(ANY_GROUP, 1),)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "posture": POSTURES,
    "replay": REPLAY_POLICIES,
    "side_effects": SIDE_EFFECT_POLICIES,
}
_KEYS: Final = ("id", *_CHOICES, "quorum", "actions")

# With no file there is this one.
BUILT_IN_DEV: Final = Environment("dev", "dev", "", "", "dev", "allowed", "deny_all", _DEFAULT_QUORUM)


class EnvironmentFileError(GovernanceError):
    """A byteor.toml that was refused; ``problems`` holds every reason, as (key, message, hint)."""

    def __init__(self, source: str, problems: list[tuple[str, str, str | None]]) -> None:
        self.problems = tuple(problems)
        key, message, hint = problems[0]
        row = CODES["E_ENVIRONMENT_FILE"]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            row.code, message + more, hint=hint or row.hint, where=Where(file=source, key=key), exit=row.exit
        )


def environments_of(document: Mapping[str, Any], *, source: str, trusted: bool) -> tuple[Environment, ...]:
    """The environments of a parsed byteor.toml, in its order.

    Keys of other parts of byteor.toml are not ours to judge. Raises ``EnvironmentFileError`` with all
    problems at once: wrong types, unknown keys and values, prod with allow_all, an id twice.
    """
    problems: list[tuple[str, str, str | None]] = []
    tables = document.get("environments", {})
    if not isinstance(tables, Mapping):
        raise EnvironmentFileError(
            source, [("environments", "environments is not a table", "[environments.NAME]")]
        )
    owner = {key: _text(document, key, key, problems, default="") for key in ("org_id", "project_id")}
    found = []
    for name, table in tables.items():
        path = f"environments.{name}"
        if not isinstance(table, Mapping):
            problems.append((path, f"{path} is not a table", f"write [{path}]"))
            continue
        found.append(_environment(name, table, owner, source, trusted, problems))
    ids = [environment.id for environment in found]
    for environment in found:
        if ids.count(environment.id) > 1:
            problems.append(
                (
                    f"environments.{environment.name}.id",
                    f"the id `{environment.id}` stands twice",
                    "ids are unique",
                )
            )
    if problems:
        raise EnvironmentFileError(source, problems)
    return tuple(found)


def _environment(
    name: str,
    table: Mapping[str, Any],
    owner: Mapping[str, str],
    source: str,
    trusted: bool,
    problems: list[tuple[str, str, str | None]],
) -> Environment:
    path = f"environments.{name}"
    for key in table:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS, f"known keys: {', '.join(_KEYS)}")
            problems.append((f"{path}.{key}", f"unknown key `{key}`", hint))
    if "posture" not in table:
        problems.append((f"{path}.posture", f"{path} has no posture", f"one of {', '.join(POSTURES)}"))
    values = {
        key: _text(table, key, f"{path}.{key}", problems, choices=choices)
        for key, choices in _CHOICES.items()
    }
    replay, side_effects = _DEFAULTS.get(values["posture"], ("disabled", "deny_all"))
    environment = Environment(
        name=name,
        id=_text(table, "id", f"{path}.id", problems, default=name),
        org_id=owner["org_id"],
        project_id=owner["project_id"],
        posture=values["posture"],
        replay=values["replay"] or replay,
        side_effects=values["side_effects"] or side_effects,
        quorum=_quorum(table, f"{path}.quorum", problems),
        trusted=trusted,
        source=source,
        actions=_actions(table, f"{path}.actions", problems),
    )
    if environment.posture == "prod" and environment.side_effects == "allow_all":
        problems.append((f"{path}.side_effects", "prod with allow_all is refused", "write require_approval"))
    if environment.side_effects == "require_approval" and not (environment.org_id and environment.project_id):
        message = f"{path} asks for approvals, but org_id or project_id is missing"
        problems.append(("org_id", message, 'write org_id = "..." and project_id = "..." at the top'))
    return environment


def _text(
    table: Mapping[str, Any],
    key: str,
    path: str,
    problems: list[tuple[str, str, str | None]],
    *,
    choices: tuple[str, ...] = (),
    default: str = "",
) -> str:
    """The text at ``key``, or ``default``; a problem when it is no text or not one of ``choices``."""
    if key not in table:
        return default
    value = table[key]
    if not isinstance(value, str) or not value:
        problems.append((path, f"{path} is not a text", f"one of {', '.join(choices)}" if choices else None))
        return default
    if choices and value not in choices:
        hint = did_you_mean(value, choices, f"one of {', '.join(choices)}")
        problems.append((path, f"{path} is `{value}`", hint))
        return default
    return value


def _actions(table: Mapping[str, Any], path: str, problems: list[tuple[str, str, str | None]]) -> AllowList:
    given = table.get("actions", {})
    if not isinstance(given, Mapping):
        problems.append((path, f"{path} is not a table", f"write [{path}]"))
        return AllowList()
    for key in given:
        if key not in ("http", "exec"):
            hint = did_you_mean(key, ("http", "exec"), "known keys: http, exec")
            problems.append((f"{path}.{key}", f"unknown key `{key}`", hint))
    http = _texts(given, "http", path, problems)
    programs = _texts(given, "exec", path, problems)
    for message in allow_list_problems(http, programs):
        problems.append((path, message, 'http = ["https://host/path"], exec = ["/usr/bin/program"]'))
    return AllowList(tuple(sorted(set(http))) if "http" in given else None, tuple(sorted(set(programs))))


def _texts(
    table: Mapping[str, Any], key: str, path: str, problems: list[tuple[str, str, str | None]]
) -> list[str]:
    value = table.get(key, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    problems.append((f"{path}.{key}", f"{path}.{key} is not a list of texts", f'{key} = ["..."]'))
    return []


def _quorum(
    table: Mapping[str, Any], path: str, problems: list[tuple[str, str, str | None]]
) -> tuple[Quota, ...]:
    if "quorum" not in table:
        return _DEFAULT_QUORUM
    hint = 'quorum = [{ group = "ops", n = 1 }]'
    rows = table["quorum"]
    if not isinstance(rows, list) or not rows:
        problems.append((path, f"{path} is not a list of groups", hint))
        return _DEFAULT_QUORUM
    quotas = []
    for index, row in enumerate(rows):
        group, n = (row.get("group"), row.get("n")) if isinstance(row, Mapping) else (None, None)
        good = isinstance(group, str) and group and type(n) is int and 1 <= n <= 100
        if not good or len(row) != 2:
            problems.append((f"{path}.{index}", "a quorum row is a group and a number from 1 to 100", hint))
            continue
        quotas.append(Quota(str(group), int(n or 0)))
    if len({quota.group for quota in quotas}) != len(quotas):
        problems.append((path, "a group stands twice", "write each group once"))
    return tuple(sorted(quotas, key=lambda quota: quota.group))
