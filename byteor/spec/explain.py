"""What a code or category means, with lines that break the rule and lines that keep it."""

from __future__ import annotations

from typing import Any

from byteor.spec.codes import CATEGORIES, CODES
from byteor.spec.explain_examples import COMMANDS, EXAMPLES, Edits, Example


def explain(word: str) -> dict[str, Any] | None:
    """The explanation of a code (``E_SHARDS``) or category (``Cycle``); ``None`` when there is no such
    thing."""
    if word in CODES:
        row = CODES[word]
        return {
            "code": row.code,
            "category": row.category,
            "severity": "warning" if row.code.startswith("W_") else "error",
            "rule": row.rule,
            "hint": row.hint or None,
            **_examples(word),
        }
    if word in CATEGORIES:
        codes = [row.code for row in CODES.values() if row.category == word]
        return {"category": word, "codes": codes}
    return None


def _examples(code: str) -> dict[str, list[str]]:
    if code in COMMANDS:
        wrong, right = COMMANDS[code]
        return {"wrong": [wrong], "right": [right]}
    example = EXAMPLES[code]
    return {
        "wrong": _shown(example, example.bad, example.raw),
        "right": _shown(example, example.good, example.good_raw),
    }


def _shown(example: Example, edits: Edits, raw: str) -> list[str]:
    """The lines that matter: what the edits and raw lines say, or which line is left out."""
    lines = []
    for key, value in edits.items():
        if value is not None:
            lines.append(f"{key}={value}")
        elif key in {**example.base, **example.bad}:
            lines.append(f"(no {key})")
    lines += [
        line if len(line) <= 80 else line[:60] + f"... ({len(line)} bytes)" for line in raw.splitlines()
    ]
    if not lines and edits is example.good:
        lines = [f"{key}={example.base[key]}" for key in example.bad if key in example.base]
    return lines[:12] + ([f"... and {len(lines) - 12} lines more"] if len(lines) > 12 else [])


def explain_text(found: dict[str, Any]) -> str:
    """The same for a person."""
    if "codes" in found:
        rows = [CODES[code] for code in found["codes"]]
        return "\n".join([found["category"], *(f"  {row.code:<24} {row.rule}" for row in rows)]) + "\n"
    lines = [f"{found['code']}  ({found['category']}, {found['severity']})", f"  rule: {found['rule']}"]
    if found["hint"]:
        lines.append(f"  do:   {found['hint']}")
    for word in ("wrong", "right"):
        if found[word]:
            lines.append(f"  {word}:")
            lines += [f"    {line}" for line in found[word]]
    return "\n".join(lines) + "\n"
