"""Finding what was recorded: by run, by incident, or in a bundle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.incident.capture import CAPTURE_JSON
from byteor.incident.recording import Recording, capture_root, find_capture, open_capture
from byteor.state import state_dir

if TYPE_CHECKING:
    from byteor.incident.bundle.reader import Bundle


def captures_folder() -> Path:
    return capture_root(state_dir())


def capture_of(which: str | None) -> Recording:
    """The capture of a run: id, name or folder; None: the newest. Raises ``E_CAPTURE_MISSING``."""
    return find_capture(which, captures_folder())


@contextlib.contextmanager
def recording_of(which: str | None) -> Iterator[tuple[Recording, Bundle | None]]:
    """The recording that ``which`` names (a bundle's path, a capture's folder, an incident, a run) and the
    bundle that it lies in, if it does.

    Raises ``E_BUNDLE_...``, ``E_CAPTURE_MISSING``. The bundle is open until the block ends.
    """
    path = bundle_path(which)
    if path is None:
        yield (open_capture(Path(which)) if which and _is_capture(which) else capture_of(which)), None
        return
    from byteor.incident.bundle.reader import Bundle

    with Bundle(path) as bundle:
        yield bundle.recording(), bundle


def bundle_path(which: str | None) -> Path | None:
    """Where the bundle lies that ``which`` names by path or by incident, if it does."""
    from byteor.acts.incidents import incident_bundle

    if which is None or _is_capture(which):
        return None
    path = Path(which)
    # A folder may have a run's name by chance; without a slash it must look like a bundle.
    if path.is_file() or (path.is_dir() and (os.sep in which or (path / "manifest.json").exists())):
        return path
    return incident_bundle(which)


def _is_capture(which: str) -> bool:
    return (Path(which) / CAPTURE_JSON).exists() and not (Path(which) / "manifest.json").exists()
