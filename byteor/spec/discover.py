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

    Hidden folders are left out, links to folders are not followed.
    """
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112  (a thousand files: Path objects would cost more)
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if is_document_name(name):
                    yield os.path.join(folder, name)  # noqa: PTH118
