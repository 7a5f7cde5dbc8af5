"""DataGuard: the stages ``dataguard_check``, ``dataguard_redact`` and, both at once, ``dataguard_fused``."""

from __future__ import annotations

from byteor.runtime.stages.api import Example
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.dataguard.guard import CHECK_OPTIONS, FUSED_OPTIONS, REDACT_OPTIONS, Guard
from byteor.runtime.stages.declare import batch_stage

_SCHEMA = (
    "registry=DIR;schema-id=ID;msg-type=TYPE[;min-version=N][;mode=map|row|csv][;on-invalid=reject|fail]"
)
_VERSION = "[;version-field=NAME]"
_RULES = ";rules=FIELD:ACTION,...[;key-file=PATH|;key-env=NAME]"
_ORDERS = "registry=/etc/byteor/schemas;schema-id=orders;msg-type=placed"


@batch_stage(
    "dataguard_check",
    writes=False,
    parameters=_SCHEMA + _VERSION,
    required=True,
    example=Example(f"dataguard_check:{_ORDERS};min-version=2"),
)
def dataguard_check(parameters: str, context: Context) -> Guard:
    """Lets through only messages that are as their schema says; the rest is rejected, counted by reason.

    The schema is the newest of ID and TYPE in the registry, or the one that a message names in its
    version-field; one older than min-version is refused. mode: JSON objects (map), JSON arrays (row) or
    lines of CSV. on-invalid=fail stops the run at the first message that is rejected.
    """
    return Guard("dataguard_check", CHECK_OPTIONS, parameters, context, checks=True)


@batch_stage(
    "dataguard_redact",
    parameters=_SCHEMA + _RULES,
    required=True,
    example=Example(f"dataguard_redact:{_ORDERS};rules=email:hash,card:mask=0:4:*;key-env=GUARD_KEY"),
)
def dataguard_redact(parameters: str, context: Context) -> Guard:
    """Changes the values of fields by rules; what cannot be read is rejected, never passed unredacted.

    FIELD is a name, at any depth, or a JSON pointer with * for any. ACTION: drop, replace_with=VALUE, hash
    (HMAC-SHA-256; the key comes from a file or the environment), mask=PREFIX:SUFFIX:CHARACTER,
    truncate=LENGTH. A rule about a field that the schema cannot have is refused.
    """
    return Guard("dataguard_redact", REDACT_OPTIONS, parameters, context, checks=False)


@batch_stage(
    "dataguard_fused",
    parameters=_SCHEMA + _VERSION + _RULES,
    required=True,
    example=Example(f"dataguard_fused:{_ORDERS};min-version=2;rules=email:drop"),
)
def dataguard_fused(parameters: str, context: Context) -> Guard:
    """dataguard_check and dataguard_redact in one stage: what passes the check is redacted."""
    return Guard("dataguard_fused", FUSED_OPTIONS, parameters, context, checks=True)
