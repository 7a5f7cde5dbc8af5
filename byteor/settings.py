"""Settings and where each one comes from: flag > BYTEOR_* > --config > byteor.toml upward > user's > default.

Import this lazily: it loads pydantic.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from byteor.errors import ByteorError, Exit
from byteor.settings_files import FILE_NAME, settings_files

PREFIX = "BYTEOR_"
TABLE = "settings"
# Other parts of byteor.toml have readers of their own; org_id and project_id stand at its top level.
TOP_LEVEL = ("org_id", "project_id")
OTHER_TABLES = ("environments", "incident")

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class Settings(BaseModel):
    """Everything that may be set. A field's description is what ``byteor config show`` prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    org_id: Annotated[Identifier | None, Field(description="organisation in credentials and checkpoints")] = (
        None
    )
    project_id: Annotated[Identifier | None, Field(description="project in credentials and checkpoints")] = (
        None
    )
    state_dir: Annotated[Path | None, Field(description="where the audit log lies")] = None
    runtime_dir: Annotated[Path | None, Field(description="where runs have their folders")] = None
    shm_dir: Annotated[Path, Field(description="where regions lie")] = Path("/dev/shm")
    kernel: Annotated[
        Literal["auto", "native", "pure"], Field(description="which IndexBus kernel runs the loops")
    ] = "auto"
    profile: Annotated[
        Literal["default", "low-latency", "isolated-core"], Field(description="how runs are tuned")
    ] = "default"
    wait: Annotated[
        Literal["spin", "yield", "backoff", "block"] | None,
        Field(description="how workers wait for messages; the profile says it when absent"),
    ] = None
    group: Annotated[str | None, Field(description="who may look at runs besides their user")] = None
    capture: Annotated[
        Literal["on", "off", "best-effort"] | bool,
        Field(description="record what passes, to replay it; best-effort: a full disk stops no run"),
    ] = "on"
    capture_egress: Annotated[
        Literal["payload", "digest"], Field(description="what is recorded of outputs")
    ] = "payload"
    drain_timeout_s: Annotated[
        float, Field(ge=0, le=86_400, description="how long messages in flight may take to finish")
    ] = 5.0
    stage_timeout_s: Annotated[
        float, Field(ge=0, le=86_400, description="how long a stage may give no sign of life; 0: for ever")
    ] = 60.0


class SettingsProblem(NamedTuple):
    """One wrong setting: its key, where it was set, and what is wrong."""

    key: str
    origin: str
    why: str


class SettingsError(ByteorError):
    """``E_SETTINGS`` (exit 2): one or more settings are wrong; ``problems`` has them all."""

    default_exit: ClassVar[Exit] = Exit.USAGE

    def __init__(self, problems: list[SettingsProblem]) -> None:
        lines = [f"{problem.key} ({problem.origin}): {problem.why}" for problem in problems]
        super().__init__("E_SETTINGS", "\n  ".join(lines), hint="byteor config show lists what may be set")
        self.problems = tuple(problems)


class Loaded(NamedTuple):
    """The settings in force, and for each key where its value comes from."""

    settings: Settings
    origins: dict[str, str]


class _Value(NamedTuple):
    value: Any
    origin: str


_Layer = dict[str, _Value]
MAX_BYTES = 1 << 20  # of a settings file


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    config: Path | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Merge all layers. ``flags`` holds only what was given. Raises ``SettingsError`` with every problem."""
    problems: list[SettingsProblem] = []
    layers: list[_Layer] = []
    for path in settings_files(environ, config, cwd or Path.cwd()):
        layers.append(_file_layer(path, problems, required=path == config))
    layers.append(_environment_layer(environ))
    layers.append(
        {key: _Value(value, f"flag --{key.replace('_', '-')}") for key, value in (flags or {}).items()}
    )
    merged: _Layer = {}
    for layer in layers:
        # Each layer is checked by itself: a wrong value under a right one is still a mistake to mend.
        _check(layer, problems)
        merged |= layer
    if problems:
        raise SettingsError(problems)
    settings = Settings.model_validate({key: item.value for key, item in merged.items()})
    origins = {key: merged[key].origin if key in merged else "default" for key in Settings.model_fields}
    return Loaded(settings, origins)


def _file_layer(path: Path, problems: list[SettingsProblem], *, required: bool) -> _Layer:
    try:
        status = path.stat()
        if not required and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o002):
            why = "another user could have written it; name it with --config to use it all the same"
            problems.append(SettingsProblem(FILE_NAME, str(path), why))
            return {}
        if not required and not stat.S_ISREG(status.st_mode):  # a named one may be a pipe: <(generate)
            problems.append(SettingsProblem(FILE_NAME, str(path), "is no regular file"))
            return {}
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            problems.append(SettingsProblem(FILE_NAME, str(path), f"is over {MAX_BYTES >> 20} MiB long"))
            return {}
        text = raw.decode()
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        problems.append(SettingsProblem(FILE_NAME, str(path), f"cannot be read: {why}"))
        return {}
    layer: _Layer = {}
    for key, value in document.items():
        if key in TOP_LEVEL:
            layer[key] = _Value(value, _place(path, text, key))
        elif key == TABLE and isinstance(value, dict):
            layer |= {name: _Value(item, _place(path, text, name)) for name, item in value.items()}
        elif key not in OTHER_TABLES:
            hint = f"belongs under [{TABLE}]" if key in Settings.model_fields else _unknown(key)
            problems.append(SettingsProblem(key, _place(path, text, key), hint))
    return layer


def _place(path: Path, text: str, key: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\]=.]", line):
            return f"{path}:{number}"
    return str(path)


def _environment_layer(environ: Mapping[str, str]) -> _Layer:
    """Only names that are settings: BYTEOR_DEBUG and others are switches of their own."""
    names = {key: PREFIX + key.upper() for key in Settings.model_fields}
    return {key: _Value(environ[name], name) for key, name in names.items() if environ.get(name)}


def _check(layer: _Layer, problems: list[SettingsProblem]) -> None:
    try:
        Settings.model_validate({key: item.value for key, item in layer.items()})
    except ValidationError as error:
        for found in error.errors():
            key = str(found["loc"][0])
            why = (
                _unknown(key)
                if found["type"] == "extra_forbidden"
                else f"{found['msg']}, not {found['input']!r}"
            )
            problem = SettingsProblem(key, layer[key].origin, why)
            if problem not in problems:
                problems.append(problem)


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, [*Settings.model_fields, TABLE, *OTHER_TABLES], n=1)
    return "no such setting" + (f"; did you mean {near[0]}?" if near else "")
