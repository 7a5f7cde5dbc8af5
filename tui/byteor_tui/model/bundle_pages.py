"""A bundle in the order in which an operator reads it: what each member says in a sentence. Untrusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from byteor.errors import ByteorError
from byteor_tui.model.sides import MEMBERS, Side, sides_of
from byteor_tui.model.text import clean, count


class Page(msgspec.Struct, frozen=True):
    """One member. ``said`` is what it comes to; ``bad`` that a person should look at it."""

    name: str
    size: int
    said: str
    bad: bool = False


class BundlePages(msgspec.Struct, frozen=True):
    """``path`` names the bundle; ``error`` says why it cannot be read."""

    path: str = ""
    pages: tuple[Page, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    error: str = ""
    sides: tuple[Side, ...] = ()


def read_pages(path: str) -> BundlePages:
    """The members that decide, in reading order, then the rest by name and size."""
    from byteor.incident.bundle.reader import Bundle
    from byteor.state import state_dir

    try:
        with Bundle(Path(path)) as bundle:
            pages = tuple(
                _page(bundle.json, name, bundle.sizes[name], say)
                for name, say in READING
                if name in bundle.sizes
            )
            named = {name for name, _ in READING}
            others = tuple((clean(name), size) for name, size in bundle.sizes.items() if name not in named)
            states = [bundle.json(name) for name in MEMBERS if name in bundle.sizes]
            sides = sides_of(states[0], state_dir() / "snapshots") if states else ()
            return BundlePages(path, pages, others, sides=sides)
    except ByteorError as error:
        return BundlePages(path, error=clean(error.message))
    except OSError as error:
        return BundlePages(path, error=f"{path}: {error.strerror}")


def _page(
    read: Callable[[str], Any], name: str, size: int, say: Callable[[dict[str, Any]], tuple[str, bool]]
) -> Page:
    try:
        said, bad = say(read(name))
    except (ByteorError, KeyError, TypeError, AttributeError, ValueError) as error:
        said, bad = f"damaged: {error}", True
    return Page(name, size, clean(said), bad)


def _validation(found: dict[str, Any]) -> tuple[str, bool]:
    if found.get("ok"):
        return "the spec is right", False
    return f"the spec is not right: {found.get('error')}", True


def _policy(found: dict[str, Any]) -> tuple[str, bool]:
    said = f"mode {found.get('mode')}, {'enforced' if found.get('enforced') else 'not enforced'}"
    decisions = found.get("decisions")
    if isinstance(decisions, list):
        denied = sum(str(one.get("decision")) == "Deny" for one in decisions if isinstance(one, dict))
        said += f", {len(decisions)} decisions" + (f", {denied} denied" if denied else "")
        return said, denied > 0
    return said, not found.get("ok", True)


def _environment(found: dict[str, Any]) -> tuple[str, bool]:
    variables = found.get("env")
    names = len(variables) if isinstance(variables, dict | list) else 0
    return f"pid {found.get('pid')}, {names} variables, those that may be told by value", False


def _ring(found: dict[str, Any]) -> tuple[str, bool]:
    if found.get("region") is None:
        return f"{found.get('state')}; the ring had gone", False
    gates = [(int(one["lag"]), str(one["stage"])) for one in found.get("gating") or []]
    lag, stage = max(gates, default=(0, "-"))
    said = f"{found.get('state')}; {found['in_flight']} of {found['capacity']} in flight"
    said += f", furthest {stage}, {count(lag)} behind"
    full = found["in_flight"] >= 0.9 * found["capacity"]
    if error := found.get("last_error"):
        said += f"; {error['worker']}: {error['error']}"
    return said, full or bool(error)


def _lanes(found: dict[str, Any]) -> tuple[str, bool]:
    lanes = found.get("lanes") or []
    dropped = sum(int(one.get("dropped", 0)) for one in lanes)
    return f"{found.get('state')}; {len(lanes)} lanes, {count(dropped)} dropped", dropped > 0


def _replay(found: dict[str, Any]) -> tuple[str, bool]:
    result = found["result"]
    part = "" if result.get("from_start") is not False else ", from the middle of the run"
    return f"a replay: {result.get('verdict')}{part}", result.get("verdict") != "equal"


READING: tuple[tuple[str, Callable[[dict[str, Any]], tuple[str, bool]]], ...] = (
    ("spec_validation.json", _validation),
    ("policy_audit.json", _policy),
    ("environment.json", _environment),
    ("single_ring_snapshot.json", _ring),
    ("lane_graph_state.json", _lanes),
    ("replay_audit.json", _replay),
)
