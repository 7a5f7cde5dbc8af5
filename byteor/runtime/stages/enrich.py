"""The stage ``enrich``: each JSON object gets the columns of the row that has its key, from a table file."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message, StageError, bad_input, told
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.expression import at_path, parse_pointer
from byteor.runtime.stages.parameters import listed, one_of, options

MAX_TABLE_BYTES = 256 << 20
Row = dict[str, msgspec.Raw]

_OPTIONS = {"file": True, "key": True, "column": False, "take": False, "missing": False, "sha256": False}
_DECODE = msgspec.json.Decoder(Row).decode
_ENCODE = msgspec.json.Encoder().encode


class Table(msgspec.Struct, frozen=True):
    """Rows by the text of their key; ``sha256`` (hex) is the file's."""

    rows: dict[str, Row]
    sha256: str


def read_table(path: Path, column: str, take: Sequence[str] = (), sha256: str | None = None) -> Table:
    """A ``.csv`` (a header first; every value is text) or ``.jsonl`` file as rows by ``column``.

    ``take`` names the columns to keep (all but the key when empty), ``sha256`` pins the file. Raises
    ``StageError`` ``E_STAGE_TABLE`` with the line.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise _bad_table(path, f"it is over {MAX_TABLE_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise _bad_table(path, error.strerror or str(error)) from error
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256:
        raise _bad_table(path, f"its SHA-256 is {digest}, not the pinned {sha256}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad_table(path, f"it is not UTF-8 at byte {error.start}") from error
    lines = _csv_rows(path, text) if path.suffix == ".csv" else _json_rows(path, text)
    rows: dict[str, Row] = {}
    for number, row in lines:
        missing = [name for name in (column, *take) if name not in row]
        if missing:
            raise _bad_table(path, f"line {number} has no {missing[0]!r}")
        key = key_text(msgspec.json.decode(row[column]))
        if key is None:
            raise _bad_table(path, f"line {number}: the key is neither text nor a number")
        if key in rows:
            raise _bad_table(path, f"line {number}: the key {key!r} stands twice")
        rows[key] = {name: row[name] for name in take or row if name != column}
    return Table(rows, digest)


def key_text(value: object) -> str | None:
    """Text and numbers are the same key when they read the same, for a CSV has only text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if value == int(value) else msgspec.json.encode(value).decode()


def _csv_rows(path: Path, text: str) -> list[tuple[int, Row]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, Row]] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not header:
                header = cells
                if len(set(header)) < len(header):
                    raise _bad_table(path, "two columns have the same name")
            elif cells:
                if len(cells) != len(header):
                    what = f"line {reader.line_num} has {len(cells)} values for {len(header)} columns"
                    raise _bad_table(path, what)
                values = (msgspec.Raw(_ENCODE(cell)) for cell in cells)
                found.append((reader.line_num, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        raise _bad_table(path, f"line {reader.line_num}: {error}") from error
    return found


def _json_rows(path: Path, text: str) -> list[tuple[int, Row]]:
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found.append((number, _DECODE(line)))
            except NOT_JSON as error:
                raise _bad_table(path, f"line {number} is no JSON object: {error}") from error
    return found


def _bad_table(path: Path, why: str) -> StageError:
    return StageError(
        "E_STAGE_TABLE", f"cannot use the table {path}: {why}", hint="mend the file, or its key"
    )


@batch_stage(
    "enrich",
    parameters="file=PATH;key=NAME[;column=NAME][;take=NAME,...][;missing=pass|filter|fail][;sha256=HEX]",
    required=True,
    example=Example("enrich:file=/etc/byteor/skus.csv;key=/order/sku;column=sku;take=name,price"),
)
class Enrich:
    """Adds to each JSON object the columns of the row whose key it has, from a .csv or .jsonl file.

    key is the message's member (NAME or a JSON pointer), column the table's (the same name unless given),
    take the columns to add (all). An added member replaces one of that name. missing: what becomes of a
    message without a row: it passes as it is (the default), is filtered, or stops the run. The file is read
    when the worker starts; sha256 pins its content. The report tells digest, rows and counts.
    """

    def __init__(self, parameters: str, context: Context) -> None:
        given = options(parameters, _OPTIONS)
        self._context = context
        self._path = Path(given["file"])
        if self._path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"a table is a .csv or a .jsonl file, not {given['file']!r}")
        if not self._path.is_file():
            raise ValueError(f"there is no file {given['file']}")
        key = given["key"]
        self._key = parse_pointer(key) if key.startswith("/") else (key,)
        self._column = given.get("column", self._key[-1])
        self._take = listed(given["take"], "column") if "take" in given else ()
        self._missing = one_of(given.get("missing", "pass"), "missing", "pass", "filter", "fail")
        self._sha256 = given.get("sha256")
        self._table = Table({}, "")
        self._in = self._enriched = 0

    def setup(self) -> None:
        self._table = read_table(self._path, self._column, self._take, self._sha256)
        self._report()

    def teardown(self) -> None:
        self._report()

    def __call__(self, messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                key = key_text(at_path(msgspec.json.decode(message), self._key))
                members = _DECODE(message)
            except NOT_JSON as error:
                why = f"needs a JSON object: {told(message)}: {error}"
                hint = "put json_normalise before it"
                raise bad_input("enrich", why, len(results), hint) from error
            row = None if key is None else self._table.rows.get(key)
            if row is not None:
                self._enriched += 1
                results.append(_ENCODE({**members, **row}))
            elif self._missing == "fail":
                raise bad_input("enrich", f"has no row for {told(message)}", len(results))
            else:
                results.append(message if self._missing == "pass" else None)
        self._in += len(messages)
        return results

    def _report(self) -> None:
        self._context.report(
            {
                "v": 1,
                "stage": "enrich",
                "table_sha256": self._table.sha256,
                "rows": len(self._table.rows),
                "in": self._in,
                "enriched": self._enriched,
                "missing": self._in - self._enriched,
            }
        )
