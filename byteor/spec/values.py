"""The text of one value to what its field wants: integers, names, words of a choice, stage and shard keys."""

from __future__ import annotations

import re
from typing import Any

from byteor.spec.fields import ID_LENGTH, INT_MAX, Field
from byteor.spec.finding import Findings
from byteor.spec.lines import Entry
from byteor.spec.nearest import nearest

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_INT = re.compile(r"0|[1-9][0-9]*")
_STAGE_KEY = re.compile(r"[a-z][a-z0-9_]*(?::.{1,1024})?")
_BYTES_KEY = re.compile(r"bytes:(0|[1-9][0-9]{0,8}):([1-9][0-9]{0,8})")
_JSON_KEY = re.compile(r"json:(?:/(?:[^~/]|~[01])*)+")


def at(entry: Entry) -> dict[str, Any]:
    """Where to report what is wrong with the value of ``entry``: key, line, column."""
    column = None if entry.line is None else len(entry.key) + 2
    return {"key": entry.key, "line": entry.line, "column": column}


def convert(field: Field, entry: Entry, findings: Findings) -> int | str | None:
    """The value of ``entry`` as ``field`` wants it, or ``None`` after a finding."""
    if entry.native == "bad":
        return None
    text = entry.value
    wanted = "int" if field.type == "int" else "str"
    if entry.native not in ("text", wanted):
        words = {"int": "an integer", "str": "a string"}
        findings.add("E_TYPE", f"the value is not {words[wanted]}", value=text, **at(entry))
        return None
    if field.type == "int":
        if _INT.fullmatch(text) is None or len(text) > 19 or int(text) > INT_MAX:
            hint = "write decimal digits, no sign, no leading zeros, at most 2^63-1"
            findings.add("E_TYPE", f"`{text[:40]}` is not an integer", value=text, hint=hint, **at(entry))
            return None
        return int(text)
    if field.type == "enum":
        if text not in field.choices:
            lower = [choice.lower() for choice in field.choices]
            near = None if findings.full else nearest(text.lower(), lower)
            exact = next((choice for choice in field.choices if choice.lower() == near), None)
            hint = f"did you mean `{exact}`?" if exact else f"allowed: {', '.join(field.choices)}"
            message = f"`{text[:40]}` is not a {field.name}"
            findings.add(field.code, message, value=text, hint=hint, **at(entry))
            return None
        return text
    problem = _text_problem(field.type, text)
    if problem is not None:
        code, message, hint = problem
        findings.add(code, message, value=text, hint=hint, **at(entry))
        return None
    return text


def _text_problem(kind: str, text: str) -> tuple[str, str, str] | None:
    """Code, message and hint when ``text`` is no value of type ``kind``."""
    if kind in ("name", "id"):
        if _NAME.fullmatch(text) is None:
            hint = "a name is a lower-case letter, then up to 62 of a-z 0-9 _ -"
            return "E_NAME", f"`{text[:80]}` is not a name", hint
        if kind == "id" and len(text) > ID_LENGTH:
            return "E_NAME", f"`{text}` has {len(text)} characters", f"ids in a plan have at most {ID_LENGTH}"
    if kind == "stage_key" and _STAGE_KEY.fullmatch(text) is None:
        return "E_VALUE", f"`{text[:80]}` is not a stage key", "write name or name:argument"
    if kind == "shard_key" and _BYTES_KEY.fullmatch(text) is None and _JSON_KEY.fullmatch(text) is None:
        return "E_VALUE", f"`{text[:80]}` is not a shard key", "write bytes:OFFSET:LENGTH or json:/member"
    return None
