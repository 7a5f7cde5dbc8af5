"""How the console tells an error outside its screens: as ``byteor`` does, in words or as a document."""

from __future__ import annotations

import sys

from byteor.errors import ByteorError


def report(error: ByteorError, *, as_json: bool) -> None:
    """``byteor.error/v1`` on stdout, or message, place and hint on stderr."""
    where = error.where
    if as_json:
        import json

        place = None
        if where is not None:
            place = {"file": where.file, "line": where.line, "column": where.column, "key": where.key}
        document = {"schema": "byteor.error/v1", "ok": False, "code": error.code}
        document |= {"message": error.message, "hint": error.hint, "where": place}
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
        return
    lines = [f"error[{error.code}]: {error.message}"]
    if where is not None and str(where):
        lines.append(f"  at: {where}")
    if error.hint:
        lines.append(f"  do: {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
