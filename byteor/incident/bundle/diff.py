"""What differs between two bundles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from byteor.incident.bundle.members import CAPTURE, UNLISTED, is_json
from byteor.incident.bundle.reader import Bundle
from byteor.incident.replay.inputs import extent

MOST = 1_000


def bundle_diff(a: Bundle, b: Bundle) -> list[dict[str, Any]]:
    """Changes with ``op`` (added, removed, changed), ``path`` (file, and pointer into JSON), ``a`` and ``b``.

    Captures are compared by what they hold; at most 1,000 changes. Raises what reading a member raises.
    """
    changes: list[dict[str, Any]] = []
    journals: list[str] = []
    for name in sorted((a.sizes.keys() | b.sizes.keys()) - UNLISTED):
        if name.startswith("journal/"):
            journals.append(name)
        elif name not in a.sizes or name not in b.sizes:
            op = "added" if name in b.sizes else "removed"
            changes.append({"op": op, "path": name, "a": a.sizes.get(name), "b": b.sizes.get(name)})
        elif is_json(name):
            changes.extend(_json_changes(name, a.json(name), b.json(name)))
        elif (before := a.read(name)) != (after := b.read(name)):
            changes.append({"op": "changed", "path": name, "a": _short(before), "b": _short(after)})
    if CAPTURE in a.sizes and CAPTURE in b.sizes and journals:
        changes.extend(_capture_changes(a, b))
    return changes[:MOST]


def _capture_changes(a: Bundle, b: Bundle) -> Iterator[dict[str, Any]]:
    before, after = extent(a.recording()), extent(b.recording())
    for field in before.__struct_fields__:
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            yield {"op": "changed", "path": f"journal#{field}", "a": str(one), "b": str(other)}


def _json_changes(path: str, a: Any, b: Any) -> Iterator[dict[str, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            place = f"{path}{'#' if '#' not in path else ''}/{key}"
            if key not in a or key not in b:
                op = "added" if key in b else "removed"
                yield {"op": op, "path": place, "a": _text(a.get(key)), "b": _text(b.get(key))}
            else:
                yield from _json_changes(place, a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _json_changes(f"{path}{'#' if '#' not in path else ''}/{index}", one, other)
    elif a != b or isinstance(a, bool) != isinstance(b, bool):
        yield {"op": "changed", "path": path, "a": _text(a), "b": _text(b)}


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return f"{len(value)} items"
    if isinstance(value, dict):
        return f"{len(value)} fields"
    return value[:200] if isinstance(value, str) else value


def _short(data: bytes) -> str:
    return f"{len(data)} bytes, sha256:{hashlib.sha256(data).hexdigest()[:16]}"
