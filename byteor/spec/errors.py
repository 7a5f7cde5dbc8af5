"""The spec layer's one error: a document that cannot be used, with every finding that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from byteor.errors import ByteorError, Exit

if TYPE_CHECKING:
    from byteor.spec.finding import Finding


class SpecError(ByteorError):
    """A plan or spec that was refused.

    ``findings`` holds all that was found, errors and warnings, in the order of the phases (lines, keys and
    values, then the rules of the model); ``code``, ``message``, ``hint`` and ``where`` are those of the first
    error.
    """

    default_exit: ClassVar[Exit] = Exit.INVALID

    def __init__(self, findings: Sequence[Finding], *, exit: Exit | None = None) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        errors = [finding for finding in self.findings if finding.severity == "error"]
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        hint = first.hint
        if more:
            file = first.where.file or "FILE"
            hint = (
                f"{hint}; `byteor validate {file}` lists all"
                if hint
                else f"`byteor validate {file}` lists all"
            )
        super().__init__(first.code, first.message + more, hint=hint, where=first.where, exit=exit)
