"""The worker behind the three DataGuard stages: parameters, one message after the other, and the report."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from byteor.runtime.stages.api import NOT_JSON, Message, StageError, bad_input, told
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.dataguard.check import Reason, Violation, reader, violation
from byteor.runtime.stages.dataguard.forms import FORMS
from byteor.runtime.stages.dataguard.rules import FieldRule, action_of, parse_rules
from byteor.runtime.stages.dataguard.schema import Family, Schema, load_family, refused
from byteor.runtime.stages.expression import at_path, parse_pointer
from byteor.runtime.stages.parameters import one_of, options, whole
from byteor.runtime.stages.redaction import ANY, Redactor, Rule

REPORT_EVERY_S = 1.0
MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 4096

_SCHEMA = {"registry": True, "schema-id": True, "msg-type": True, "min-version": False, "mode": False}
CHECK_OPTIONS = {**_SCHEMA, "version-field": False, "on-invalid": False}
REDACT_OPTIONS = {**_SCHEMA, "on-invalid": False, "rules": True, "key-file": False, "key-env": False}
FUSED_OPTIONS = {**REDACT_OPTIONS, "version-field": False}


class Guard:
    """Checks, redacts, or both. Every message is counted once: passed, redacted or rejected.

    ``make`` of a stage calls this in the supervisor too, so that a missing schema, a rule about a field that
    no schema has, or a key that is not there is told before anything runs.
    """

    def __init__(
        self, stage: str, known: Mapping[str, bool], parameters: str, context: Context, *, checks: bool
    ) -> None:
        given = options(parameters, known)
        self._stage = stage
        self._context = context
        self._checks = checks
        self._mode = one_of(given.get("mode", "map"), "mode", *FORMS)
        self._form = FORMS[self._mode]
        self._fails = one_of(given.get("on-invalid", "reject"), "on-invalid", "reject", "fail") == "fail"
        self._rules = parse_rules(given["rules"]) if "rules" in given else []
        self._version_path = _version_path(given.get("version-field"), self._mode)
        minimum = whole(given.get("min-version", "1"), "min-version", 1, 1 << 31)
        self._family = load_family(Path(given["registry"]), given["schema-id"], given["msg-type"], minimum)
        _check_fit(self._family, self._rules, self._mode)
        key = _key(given) if any(rule.action == "hash" for rule in self._rules) else b""
        self._redactor = Redactor([Rule(rule.field, rule.path, action_of(rule, key)) for rule in self._rules])
        at_once = self._mode == "map" and self._version_path is None
        self._reader = reader(self._family.newest) if at_once else None
        self._passed = self._redacted = 0
        self._rejected: Counter[Reason] = Counter()
        self._report_at = 0.0

    def setup(self) -> None:
        self._report()

    def teardown(self) -> None:
        self._report()

    def __call__(self, messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            out = self._judge(message)
            if isinstance(out, Violation):
                self._rejected[out.reason] += 1
                if self._fails:
                    raise self._failure(message, out, len(results))
                results.append(None)
            else:
                results.append(out)
        if time.monotonic() >= self._report_at:
            self._report()
        return results

    def report(self) -> dict[str, object]:
        """The counters by the keys of the report; in = passed + redacted + rejected, and so on downwards."""
        rejected = sum(self._rejected.values())
        schema = self._family.newest
        fields: dict[str, object] = {
            "v": 1,
            "stage": self._stage,
            "schema_id": schema.schema_id,
            "msg_type": schema.msg_type,
            "version": schema.version,
            "schema_sha256": self._family.sha256,
            "mode": self._mode,
            "in": self._passed + self._redacted + rejected,
            "passed": self._passed,
            "redacted": self._redacted,
            "rejected": rejected,
        }
        fields |= {f"rejected_{reason}": self._rejected[reason] for reason in get_args(Reason)}
        for number, (rule, hits) in enumerate(zip(self._rules, self._redactor.hits, strict=True)):
            shown = rule.field.encode("unicode_escape").decode()
            fields |= {f"rules.{number}.field": shown, f"rules.{number}.action": rule.action}
            fields[f"rules.{number}.hits"] = hits
        return fields

    def _judge(self, message: Message) -> Message | Violation:
        """What leaves in the message's place: its own object, or new bytes."""
        text = bytes(message)
        schema = self._family.newest
        if self._checks and not self._reads(text):
            values = self._form.read(text, schema)
            if isinstance(values, Violation):
                return values
            chosen = self._schema_of(values)
            if chosen is None:
                return Violation("version")
            wrong = violation(values, chosen)
            if wrong is not None:
                return wrong
        if not self._rules:
            self._passed += 1
            return message
        before = sum(self._redactor.hits)
        changed = self._form.redact(text, schema, self._redactor)
        if isinstance(changed, Violation):
            return changed
        if sum(self._redactor.hits) > before:
            self._redacted += 1
        else:
            self._passed += 1
        return message if changed is None else changed

    def _reads(self, text: bytes) -> bool:
        """Whether the message is as it should be at first sight."""
        if self._reader is None:
            return False
        try:
            self._reader(text)
        except NOT_JSON:
            return False
        return True

    def _schema_of(self, values: Mapping[str, Any]) -> Schema | None:
        if self._version_path is None:
            return self._family.newest
        version = at_path(values, self._version_path)
        return self._family.versions.get(version) if type(version) is int else None

    def _failure(self, message: Message, why: Violation, index: int) -> StageError:
        place = f" at {why.field}" if why.field else ""
        hint = "on-invalid=reject filters and counts such messages"
        return bad_input(self._stage, f"rejects {told(message)}: {why.reason}{place}", index, hint)

    def _report(self) -> None:
        self._context.report(self.report())
        self._report_at = time.monotonic() + REPORT_EVERY_S


def _version_path(text: str | None, mode: str) -> tuple[str, ...] | None:
    if text is None:
        return None
    if mode != "map":
        raise ValueError("version-field needs mode=map: a row has no place for it before its schema is known")
    return parse_pointer(text) if text.startswith("/") else (text,)


def _check_fit(family: Family, rules: Sequence[FieldRule], mode: str) -> None:
    """A rule about a field that never comes would redact nothing, silently: a typo in a name is a leak."""
    schemas = family.versions.values() if mode == "map" else (family.newest,)
    newest = family.newest
    if mode == "csv" and any(field.type in ("object", "array", "any") for field in newest.fields):
        raise refused(
            "E_DATAGUARD_SCHEMA",
            f"{newest.schema_id}/{newest.msg_type} has a field that a CSV cell cannot hold",
            "a csv schema has fields of type string, integer, number and boolean",
        )
    known = {name for schema in schemas for name in schema.names()}
    opened = any(schema.open for schema in schemas)
    for rule in rules:
        names = [part for part in rule.path if part != ANY and not part.isdigit()] or [rule.field]
        if mode == "csv" and rule.path:
            names = [rule.field]
        missing = [name for name in names if name not in known]
        if missing and not (opened and mode != "csv"):
            raise refused(
                "E_DATAGUARD_RULE",
                f"a rule is about {rule.field!r}, and {newest.schema_id}/{newest.msg_type} has no such field",
                f"its fields are {', '.join(sorted(known))}",
            )


def _key(given: Mapping[str, str]) -> bytes:
    """The key of ``hash`` rules, which is never part of the spec. Raises ``E_DATAGUARD_KEY``."""
    if ("key-file" in given) is ("key-env" in given):
        raise _no_key("hash rules need key-file or key-env, one of them")
    key = _key_file(Path(given["key-file"])) if "key-file" in given else _key_env(given["key-env"])
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise _no_key(f"a key has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, this one {len(key)}")
    return key


def _key_env(name: str) -> bytes:
    if name not in os.environ:
        raise _no_key(f"the environment has no {name}")
    return os.environb[os.fsencode(name)]


def _key_file(path: Path) -> bytes:
    try:
        # Not blocking: a pipe without a writer would hold the start for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _no_key(f"{path} is no file")
            if status.st_mode & 0o077:
                raise _no_key(f"others can read {path} (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600")
            return file.read(MAX_KEY_BYTES + 2).rstrip(b"\r\n")
    except OSError as error:
        raise _no_key(f"cannot read {path}: {error.strerror}") from error


def _no_key(why: str) -> StageError:
    return refused(
        "E_DATAGUARD_KEY", f"no key to hash with: {why}", "openssl rand -hex 32 > key; chmod 600 key"
    )
