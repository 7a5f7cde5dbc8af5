"""The refusals of bundles, each in one place with its hint."""

from __future__ import annotations

from byteor.errors import Exit
from byteor.incident.errors import IncidentError


def unsafe(why: str) -> IncidentError:
    """``E_BUNDLE_UNSAFE``: it is built so that reading it could do harm, or hide something."""
    return IncidentError(
        "E_BUNDLE_UNSAFE", f"this is no bundle to trust: {why}", hint="ask its sender to write it again"
    )


def too_much(why: str) -> IncidentError:
    """``E_BUNDLE_LIMIT``: larger than any bundle that is written here."""
    return IncidentError(
        "E_BUNDLE_LIMIT",
        f"the bundle is beyond what is read: {why}",
        hint="a writer stays within 256 members, 64 MiB each and 256 MiB together",
    )


def malformed(why: str) -> IncidentError:
    """``E_BUNDLE_FORMAT``: a member that must be there is not, or does not say what it must."""
    return IncidentError("E_BUNDLE_FORMAT", f"the bundle is incomplete: {why}", hint="write it again")


def altered(why: str) -> IncidentError:
    """``E_BUNDLE_DIGEST``: a member is not the one that the manifest lists."""
    return IncidentError(
        "E_BUNDLE_DIGEST", f"the bundle was changed: {why}", hint="get the original; keep this as evidence"
    )


def unsigned(why: str) -> IncidentError:
    """``E_BUNDLE_SIGNATURE``: nobody whom this host knows vouches for it."""
    return IncidentError(
        "E_BUNDLE_SIGNATURE",
        f"the bundle's signature does not hold: {why}",
        hint="compare the signer's key with its host (byteor bundle verify there), then give it with --key",
    )


def not_found(path: object) -> IncidentError:
    """``E_BUNDLE_NOT_FOUND`` (exit 7)."""
    return IncidentError(
        "E_BUNDLE_NOT_FOUND",
        f"there is no bundle at {path}",
        hint="name its file or folder",
        exit=Exit.NOT_FOUND,
    )
