"""Writing a bundle: whole or not at all, within what the reader takes, the journal stored as it is."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from byteor.atomic import PRIVATE_FOLDER, sync_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.governance.private_key import Signer
from byteor.incident.bundle.depth import deeper_than
from byteor.incident.bundle.manifest import Manifest, make_manifest, sealed
from byteor.incident.bundle.members import (
    DEPTH,
    JSON_BYTES,
    MANIFEST,
    MEMBER_BYTES,
    MEMBERS,
    RATIO,
    REQUIRED,
    SIGNATURE,
    TOTAL_BYTES,
    allowed,
    is_json,
)
from byteor.incident.bundle.problems import malformed, too_much

SUFFIX = ".bundle.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # times are in the manifest; the same members make the same file


def write_bundle(
    out: Path,
    members: Mapping[str, bytes],
    signer: Signer,
    *,
    incident_id: str,
    run_id: str,
    spec_hash: str,
    created_unix_ms: int,
) -> Manifest:
    """Write ``members`` and their signed manifest to ``out``: a zip when it ends in ``.zip``, else a folder.

    Raises ``E_BUNDLE_FORMAT`` or ``E_BUNDLE_LIMIT`` for what no reader would take, ``E_EXISTS`` for a folder
    that is there, ``OSError``.
    """
    _check(members)
    manifest = make_manifest(
        members, incident_id=incident_id, run_id=run_id, spec_hash=spec_hash, created_unix_ms=created_unix_ms
    )
    everything = {**members, **sealed(manifest, signer)}
    if out.suffix == ".zip":
        write_file(out, _zipped(everything))
    else:
        _write_folder(out, everything)
    return manifest


def _check(members: Mapping[str, bytes]) -> None:
    if missing := REQUIRED - members.keys():
        raise malformed(f"{sorted(missing)[0]} is missing")
    for name, data in members.items():
        if not allowed(name) or name in (MANIFEST, SIGNATURE):
            raise malformed(f"{name!r} is no name of a member")
        if is_json(name) and deeper_than(data, DEPTH):
            raise too_much(f"{name} nests deeper than {DEPTH}")
    sizes = [len(data) for data in members.values()]
    documents = sum(len(data) for name, data in members.items() if is_json(name))
    if (
        max(sizes) > MEMBER_BYTES
        or sum(sizes) > TOTAL_BYTES
        or len(sizes) > MEMBERS - 2
        or documents > JSON_BYTES
    ):
        raise too_much(f"{len(sizes)} members of {sum(sizes):,} bytes")


def _zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o100600 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if _worth_packing(name, data) else zipfile.ZIP_STORED
            archive.writestr(info, data)
    return out.getvalue()


def _worth_packing(name: str, data: bytes) -> bool:
    """Journal members are stored: they can be read in place; what packs too well would look like a bomb."""
    return not name.startswith("journal/") and len(zlib.compress(data)) * (RATIO - 10) > len(data)


def _write_folder(out: Path, members: Mapping[str, bytes]) -> None:
    if os.path.lexists(out):
        raise ByteorError(
            "E_EXISTS", f"{out} exists", hint="name a folder that is not there yet", exit=Exit.CONFLICT
        )
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        for name, data in members.items():
            path = temporary / name
            path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            write_file(path, data)
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(out.parent)
