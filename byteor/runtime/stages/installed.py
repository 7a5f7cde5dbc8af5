"""Stages of installed packages: entry points of the group ``byteor.stages``."""

from __future__ import annotations

from importlib import metadata

from byteor.errors import Exit
from byteor.runtime.stages.api import ATTRIBUTE, StageDef, StageError
from byteor.runtime.stages.printing import prints_to_stderr
from byteor.spec.keys import BUILTIN_KEYS

GROUP = "byteor.stages"  # the stage's key = "package.module:function"


def entry_points() -> metadata.EntryPoints:
    """Every stage that an installed package offers; ``name`` is its key."""
    return metadata.entry_points(group=GROUP)


def installed(key: str) -> tuple[StageDef, str, str] | None:
    """The stage of this key, its distribution and version. Raises ``E_STAGE_MODULE``."""
    points = list(metadata.entry_points(group=GROUP, name=key))
    if key in BUILTIN_KEYS:  # the spec layer knows what it may do: nobody else's package may stand in
        points = [point for point in points if point.dist is not None and point.dist.name == "byteor"]
    return (load(points[0]), *package(points[0])) if points else None


def package(point: metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that offers it; empty where nothing tells."""
    return (point.dist.name, point.dist.version) if point.dist is not None else ("", "")


def load(point: metadata.EntryPoint) -> StageDef:
    """Raises ``E_STAGE_MODULE`` (exit 2)."""
    try:
        with prints_to_stderr():
            value = point.load()
    except Exception as error:
        raise _bad(point, f"{type(error).__name__}: {error}") from error
    definition = getattr(value, ATTRIBUTE, None)
    if not isinstance(definition, StageDef):
        raise _bad(point, "it names no stage", hint="decorate the function with @stage")
    return definition


def _bad(point: metadata.EntryPoint, why: str, hint: str | None = None) -> StageError:
    return StageError(
        "E_STAGE_MODULE", f"cannot load stages from {point.value!r}: {why}", hint=hint, exit=Exit.USAGE
    )
