"""Which files of a folder are plans and specs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

_SUFFIXES = (".kv", ".plan.json", ".plan.toml", ".spec.json", ".spec.toml")


def is_document_name(name: str) -> bool:
    """Whether a file of this name in a folder is taken for a plan or spec: ``*.kv``, ``*.plan.json``, ..."""
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def find_documents(paths: Iterable[str]) -> Iterator[str]:
    """Every path that is not a folder as it is, and the documents under each folder, in sorted order.

    Hidden folders are left out, links to folders are not followed. A folder that cannot be listed is
    yielded itself: whoever reads it gets the reason.
    """
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112  (a thousand files: Path objects would cost more)
            yield path
            continue
        closed: list[str] = []
        for folder, folders, files in os.walk(path, onerror=lambda error: closed.append(error.filename)):  # noqa: B023
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if is_document_name(name):
                    yield os.path.join(folder, name)  # noqa: PTH118
        yield from (folder for folder in closed if os.path.lexists(folder))
