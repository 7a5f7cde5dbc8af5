"""The incident layer's one error."""

from __future__ import annotations

from typing import ClassVar

from byteor.errors import ByteorError, Exit


class IncidentError(ByteorError):
    """A capture, bundle, replay or incident record that cannot be used as asked.

    Codes: ``E_CAPTURE_MISSING`` (exit 7), ``E_CAPTURE_FRAME`` (9), ``E_CAPTURE_SPACE`` (11),
    ``E_BUNDLE_NOT_FOUND`` (7), ``E_BUNDLE_UNSAFE``, ``E_BUNDLE_LIMIT``, ``E_BUNDLE_FORMAT``,
    ``E_BUNDLE_DIGEST`` and ``E_BUNDLE_SIGNATURE`` (9), ``E_REPLAY_INPUT`` (7),
    ``E_REPLAY_SPEC`` (3), ``E_REPLAY_REFUSED`` (4), ``E_INCIDENT_NOT_FOUND`` (7), ``E_INCIDENT_STATE`` (6).
    """

    default_exit: ClassVar[Exit] = Exit.INTEGRITY
