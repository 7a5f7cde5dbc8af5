"""manifest.json: every member with size and SHA-256, signed by the host that wrote the bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from byteor.governance.canonical import canonical_json
from byteor.governance.private_key import Signer
from byteor.incident.bundle.members import MANIFEST, REQUIRED, SIGNATURE, SPEC, UNLISTED
from byteor.incident.bundle.problems import altered, malformed, unsigned
from byteor.incident.bundle.reader import Bundle
from byteor.incident.errors import IncidentError
from byteor.incident.signing import BUNDLE, Trusted, opened, sign


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a bundle."""

    path: str
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``manifest.json``. ``files`` are sorted by path and leave out the manifest and its signature."""

    created_unix_ms: int
    files: tuple[Member, ...]
    incident_id: str
    run_id: str
    spec_hash: str
    v: int = 1


class BundleVerdict(msgspec.Struct, frozen=True):
    """What ``bundle verify`` says. ``signer``: the public key; ``signed_by``: who that is to this host."""

    ok: bool
    code: str | None
    detail: str
    spec_hash: str | None
    incident_id: str | None
    run_id: str | None
    files: tuple[Member, ...]
    signer: str | None
    signed_by: str | None


def make_manifest(
    members: Mapping[str, bytes], *, incident_id: str, run_id: str, spec_hash: str, created_unix_ms: int
) -> Manifest:
    """The manifest of ``members``."""
    files = tuple(
        Member(name, hashlib.sha256(members[name]).hexdigest(), len(members[name]))
        for name in sorted(members)
    )
    return Manifest(created_unix_ms, files, incident_id, run_id, spec_hash)


def sealed(manifest: Manifest, signer: Signer) -> dict[str, bytes]:
    """The two members that vouch for the others."""
    return {MANIFEST: canonical_json(manifest), SIGNATURE: sign(BUNDLE, manifest, signer)}


def bundle_digest(manifest_text: bytes) -> str:
    """The identity of a bundle: ``sha256:...`` of its manifest, which holds the digest of all else."""
    return "sha256:" + hashlib.sha256(manifest_text).hexdigest()


def verify_bundle(bundle: Bundle, trusted: Trusted) -> BundleVerdict:
    """Check manifest, signature, every digest and that nothing is missing or unlisted. Raises nothing."""
    manifest, signer, who = None, None, None
    try:
        manifest, signer, who = _signed_manifest(bundle, trusted)
        _check_files(bundle, manifest)
        if who is None:
            raise unsigned(f"its signer {signer} is neither pinned here nor this host")
    except IncidentError as error:
        return _verdict(manifest, signer, who, error)
    return _verdict(manifest, signer, who, None)


def _signed_manifest(bundle: Bundle, trusted: Trusted) -> tuple[Manifest, str, str | None]:
    text = bundle.read(MANIFEST)
    try:
        manifest, signer, who = opened(bundle.read(SIGNATURE), BUNDLE, Manifest, trusted)
    except (ValueError, RecursionError) as error:
        raise unsigned(str(error)) from None
    if canonical_json(manifest) != text:
        raise altered("manifest.json is not the one that was signed")
    return manifest, signer, who


def _check_files(bundle: Bundle, manifest: Manifest) -> None:
    listed = {member.path: member for member in manifest.files}
    if len(listed) != len(manifest.files):
        raise malformed("the manifest lists a file twice")
    if missing := REQUIRED - listed.keys():
        raise malformed(f"{sorted(missing)[0]} is missing")
    there = bundle.sizes.keys() - UNLISTED
    if there != listed.keys():
        odd = sorted(there ^ listed.keys())[0]
        raise altered(f"{odd} is {'not listed' if odd in there else 'missing'}")
    for name, member in listed.items():
        data = bundle.read(name)
        if len(data) != member.size or hashlib.sha256(data).hexdigest() != member.sha256:
            raise altered(f"{name} is not the file that was signed")
    _check_spec(bundle, manifest)


def _check_spec(bundle: Bundle, manifest: Manifest) -> None:
    """The spec is the canonical text whose hash the manifest names."""
    if bundle_digest(bundle.read(SPEC)) != manifest.spec_hash:
        raise malformed("spec.kv is not the spec that the manifest names")


def _verdict(
    manifest: Manifest | None, signer: str | None, who: str | None, error: IncidentError | None
) -> BundleVerdict:
    fields: dict[str, Any] = {"spec_hash": None, "incident_id": None, "run_id": None, "files": ()}
    if manifest is not None:
        fields = {name: getattr(manifest, name) for name in fields}
    return BundleVerdict(
        ok=error is None,
        code=error.code if error else None,
        detail=error.message if error else "",
        signer=signer,
        signed_by=who,
        **fields,
    )


def refused_verdict(error: IncidentError) -> BundleVerdict:
    """The verdict on what could not even be opened."""
    return _verdict(None, None, None, error)
