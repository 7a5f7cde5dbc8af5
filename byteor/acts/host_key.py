"""This host's own key, which signs bundles and certificates, and the salt of what bundles hide."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.atomic import private_folder, sync_folder, write_file
from byteor.state import state_dir

if TYPE_CHECKING:
    from byteor.governance.private_key import Signer

KEY_FILE, SALT_FILE = "host.key", "bundle.salt"
SALT_BYTES = 32


def host_signer() -> Signer:
    """The key in ``$BYTEOR_STATE_DIR/host.key``, made when missing.

    Raises ``E_KEY_MODE``, ``E_PRIVATE_KEY``.
    """
    from byteor.governance.private_key import generate, open_key, read_pem, save

    path = private_folder(state_dir()) / KEY_FILE
    _made_once(path, lambda temporary: save(generate(), temporary, None))
    return open_key(read_pem(path), None, person=False)


def bundle_salt() -> bytes:
    """32 random bytes that never leave this host."""
    path = private_folder(state_dir()) / SALT_FILE
    _made_once(path, lambda temporary: write_file(temporary, secrets.token_bytes(SALT_BYTES)))
    return path.read_bytes()


def trusted_signers(given: tuple[str, ...] = ()) -> dict[str, str]:
    """Public keys that vouch for a bundle here: this host's, those of the pinned key set, those ``given``."""
    from byteor.errors import ByteorError
    from byteor.governance.trust import trusted_keys

    found = dict.fromkeys(given, "given with --key")
    try:
        pinned = trusted_keys()
    except ByteorError:
        pinned = None  # nothing is pinned here
    for key in pinned.keys if pinned is not None else ():
        if key.status == "active":
            found[key.public_key] = f"{key.kid} ({key.principal}), pinned"
    if (state_dir() / KEY_FILE).exists():
        found[host_signer().public_key] = "this host"
    return found


def _made_once(path: Path, make: Callable[[Path], object]) -> None:
    """Two processes at once get the same file: unlike a rename, a link never goes over one that is there."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    make(temporary)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)
