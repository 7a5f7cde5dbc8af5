"""What a run needs of its environment: capabilities, listed targets, and which code its stages are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.governance.allow_list import exec_listed, http_listed
from byteor.governance.canonical import digest_of
from byteor.governance.capability import normalise
from byteor.governance.environment import Environment
from byteor.governance.errors import refused
from byteor.runtime.stages import ResolvedStage, resolve
from byteor.spec import ValidatedSpec
from byteor.spec.keys import BUILTIN_KEYS, StageKeyError, exec_program, http_origin
from byteor.spec.needs import needs


def needed_capabilities(
    spec: ValidatedSpec, stages: Iterable[ResolvedStage], declared: Iterable[str] = ()
) -> tuple[str, ...]:
    """Everything that a run may do to the outside: what its keys say, ``stage:<key>`` for a stage of kind
    external of somebody else's, and what sources and sinks declare."""
    external = {
        f"stage:{one.definition.key}"
        for one in stages
        if one.definition.kind == "external" and one.definition.key not in BUILTIN_KEYS
    }
    return tuple(sorted({*spec.capabilities, *external, *declared}))


class Asked(msgspec.Struct, frozen=True):
    """What a request must name of a spec: the capabilities of its run, and the digest of its stages' code."""

    capabilities: tuple[str, ...]
    stages: str


def asked_of(spec: ValidatedSpec, modules: Sequence[str], declared: Iterable[str]) -> Asked:
    """What a run of ``spec`` will need. Raises ``E_REQUEST``, and ``StageError`` for a stage of no module."""
    try:
        extra = [normalise(one) for one in declared]
    except ValueError as error:
        raise refused("E_REQUEST", str(error)) from None
    stages = [resolve(row["key"], modules) for row in needs(spec.spec)]
    return Asked(needed_capabilities(spec, stages, extra), stages_digest(stages))


def stages_digest(stages: Iterable[ResolvedStage]) -> str:
    """``sha256:...`` over which code each stage is: distribution, version, module and its file's SHA-256."""
    rows = {one.key: {"key": one.key, **one.digest()} for one in stages}
    return digest_of([rows[key] for key in sorted(rows)])


def declared_by(ends: Iterable[object]) -> tuple[str, ...]:
    """The capabilities that sources and sinks say they need (attribute ``capability``)."""
    said = (getattr(end, "capability", None) for end in ends)
    return tuple(one for one in said if isinstance(one, str))


def posted_by(sinks: Iterable[str]) -> tuple[str, ...]:
    """The capabilities of sinks that POST: what leaves at a pipeline's end has left as it does in a stage."""
    try:
        return tuple(f"http_post:{http_origin(text)}" for text in sinks if _posts(text))
    except StageKeyError as error:
        raise ByteorError("E_URL", error.message, hint=error.hint, exit=Exit.USAGE) from None


def _posts(sink: str) -> bool:
    return sink.startswith(("http://", "https://"))


def check_listed(environment: Environment, stages: Iterable[ResolvedStage], sinks: Iterable[str]) -> None:
    """Raise ``E_ACTION_NOT_LISTED`` for a URL or program that the environment does not list."""
    for url in (sink.partition("?")[0] for sink in sinks if _posts(sink)):
        try:
            listed = http_listed(url, environment.actions)
        except ValueError:  # a server could read its path in two ways
            listed = False
        if not listed:
            raise _not_listed(environment, url)
    for stage in stages:
        kind, argument = stage.definition.key, stage.parameters
        if kind == "http_post" and not http_listed(argument, environment.actions):
            what = argument.partition("?")[0]
        elif kind == "exec" and not exec_listed(exec_program(argument), environment.actions):
            what = exec_program(argument)
        else:
            continue
        raise _not_listed(environment, what)


def _not_listed(environment: Environment, what: str) -> ByteorError:
    hint = f"list it under [environments.{environment.name}.actions] in byteor.toml"
    return ByteorError(
        "E_ACTION_NOT_LISTED", f"{environment.name} does not list {what}", hint=hint, exit=Exit.REFUSED
    )
