"""Capabilities: what a spec may do to the outside, in one spelling, and what was granted of it."""

from __future__ import annotations

from collections.abc import Iterable

from byteor.spec.keys import StageKeyError, exec_program, http_origin


def normalise(capability: str) -> str:
    """``capability`` as approvers sign it: ``http_post:<origin>``, ``exec:<program>``, or ``kind:argument``.

    Raises ``ValueError`` when it names no capability, with the reason (``E_URL``, ``E_EXEC_PATH``).
    """
    kind, colon, argument = capability.partition(":")
    if not colon or not argument or not kind.replace("_", "").isalnum() or not capability.isprintable():
        raise ValueError(
            f"`{capability}` is no capability: write kind:argument, for example http_post:https://host"
        )
    try:
        if kind == "http_post":
            return f"http_post:{http_origin(argument)}"
        if kind == "exec":
            if exec_program(argument) != argument or "|" in argument:
                raise ValueError(f"`{capability}`: a capability names the program alone, without arguments")
            return capability
    except StageKeyError as error:
        raise ValueError(f"{error.message} ({error.code})") from None
    return capability


def is_normal(capability: str) -> bool:
    """Whether ``capability`` is in its one spelling."""
    try:
        return normalise(capability) == capability
    except ValueError:
        return False


def missing(needed: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """What is needed and was not granted, sorted. Compared as texts: nothing implies anything else."""
    return tuple(sorted(set(needed) - set(granted)))
