"""The file of a backup: gzipped text, a JSON value a line.

    {"format": "solarrally-backup", "version": 1, "schema": "0002", "created_at": "…"}
    {"table": "users", "columns": ["id", "name", …]}      for each table, parents first
    ["u-1", "anna", …]                                    a row a line, in order of its key
    {"end": true, "rows": {"users": 1, …}, "sha256": "…"} over all bytes before this line

Decimals are text, times ISO 8601 in UTC, frames' times whole milliseconds, bytes base64: what one
database wrote the other reads to the last digit.
"""

import base64
import binascii
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, Self

from sqlalchemy import Boolean, Date, Integer, LargeBinary, Table, Text
from sqlalchemy.types import JSON

from billing_service.adapters.db.tables import metadata
from billing_service.adapters.db.types import ExactDecimal, Instant, UtcDateTime

FORMAT = "solarrally-backup"
VERSION = 1
ROWS_AT_A_TIME = 2_000
MAX_LINE_BYTES = 16 * 1024 * 1024
_LEVEL = 5

type Row = list[Any]
"""A row's values in order of the table's columns, as the column types take them."""


class BackupRefused(Exception):
    """The backup could not be made or restored; the sentence says why. Nothing was changed."""


class Writer:
    """Writes a backup. Use as a context; ``finish`` makes it whole."""

    def __init__(self, raw: BinaryIO, schema: str) -> None:
        """Begin with the header."""
        self._out = gzip.GzipFile(
            fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0, filename=""
        )
        self._digest = hashlib.sha256()
        self._codecs: list[Callable[[Any], Any] | None] = []
        self._table = ""
        self.rows: dict[str, int] = {}
        self._put(
            {
                "format": FORMAT,
                "version": VERSION,
                "schema": schema,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the compressed stream; the file below stays open."""
        self._out.close()

    def table(self, table: Table) -> None:
        """Go on with a table."""
        self._table = table.name
        self._codecs = [_writing(column.type) for column in table.columns]
        self.rows[table.name] = 0
        self._put(
            {"table": table.name, "columns": [each.name for each in table.columns]}
        )

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of the table."""
        self._put(
            *(
                [
                    value if value is None or write is None else write(value)
                    for value, write in zip(row, self._codecs, strict=True)
                ]
                for row in rows
            )
        )
        self.rows[self._table] += len(rows)

    def finish(self) -> None:
        """Write the end, by which a reader knows that it has got everything."""
        end = {"end": True, "rows": self.rows, "sha256": self._digest.hexdigest()}
        self._out.write(f"{_json(end)}\n".encode())

    def _put(self, *values: object) -> None:
        data = "".join(f"{_json(value)}\n" for value in values).encode()
        self._digest.update(data)
        self._out.write(data)


def read(file: Path, schema: str) -> Iterator[tuple[Table, list[Row]]]:
    """Yield a backup's tables in order, each with some thousand rows at a time.

    Every table comes at least once. Raises BackupRefused when the file cannot be read, is no
    backup, or of another schema; and, at its end at the latest, when it is not whole.
    """
    try:
        with gzip.open(file, "rb") as source:
            lines = _Lines(source, file)
            _check_header(lines.next(), file, schema)
            yield from _tables(lines)
    except OSError as error:
        raise BackupRefused(
            f"{file}: cannot be read: {error.strerror or error}"
        ) from error


def _check_header(header: object, file: Path, schema: str) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BackupRefused(f"{file} is not a backup of SolarRally")
    if header.get("version") != VERSION:
        raise BackupRefused(
            f"{file} has format version {header.get('version')}; this program reads {VERSION}"
        )
    if header.get("schema") != schema:
        raise BackupRefused(
            f"{file} is of schema {header.get('schema')}, this program's is {schema}: "
            "restore it with the version that made it, then upgrade"
        )


def _tables(lines: _Lines) -> Iterator[tuple[Table, list[Row]]]:
    rows: dict[str, int] = {}
    table: Table | None = None
    codecs: list[Callable[[Any], Any]] = []
    waiting: list[Row] = []
    while True:
        value = lines.next()
        if isinstance(value, list):
            if table is None or len(value) != len(codecs):
                raise lines.broken("a row that fits no table")
            waiting.append(_row(value, codecs, table, lines))
            if len(waiting) < ROWS_AT_A_TIME:
                continue
        if table is not None:
            rows[table.name] += len(waiting)
            yield table, waiting
            waiting = []
        if isinstance(value, list):
            continue
        if not isinstance(value, dict):
            raise lines.broken("neither a row nor a table")
        if value.get("end") is True:
            if value.get("rows") != rows or value.get("sha256") != lines.digest:
                raise lines.broken("the checksum is wrong")
            if rows.keys() != metadata.tables.keys():
                raise lines.broken("a table is missing")
            lines.expect_end()
            return
        table = metadata.tables.get(str(value.get("table")))
        if table is None or table.name in rows:
            raise lines.broken(f"table {value.get('table')} is unknown or comes twice")
        if value.get("columns") != [column.name for column in table.columns]:
            raise lines.broken(f"table {table.name} has other columns")
        codecs = [_reading(column.type) for column in table.columns]
        rows[table.name] = 0


def _row(
    value: list[Any],
    codecs: Sequence[Callable[[Any], Any]],
    table: Table,
    lines: _Lines,
) -> Row:
    try:
        return [
            None if each is None else read(each)
            for each, read in zip(value, codecs, strict=True)
        ]
    except (ValueError, TypeError, OverflowError) as error:
        raise lines.broken(f"table {table.name}: {error}") from error


class _Lines:
    """Reads JSON lines, and hashes what it has read."""

    def __init__(self, source: gzip.GzipFile, file: Path) -> None:
        self._source = source
        self._file = file
        self._hash = hashlib.sha256()
        self._number = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of all lines read so far, but for the last one, which tells it."""
        return self._hash.hexdigest()

    def next(self) -> Any:
        """Return the next value. Raises BackupRefused at the end, or when it cannot be read."""
        self._number += 1
        line = self._read(lambda: self._source.readline(MAX_LINE_BYTES))
        if not line.endswith(b"\n"):
            raise self.broken("it ends too early")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.broken("not JSON") from error
        if not (isinstance(value, dict) and value.get("end") is True):
            self._hash.update(line)
        return value

    def expect_end(self) -> None:
        """Raise BackupRefused when more follows."""
        if self._read(lambda: self._source.read(1)):
            raise self.broken("something follows its end")

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except gzip.BadGzipFile as error:
            if self._number == 1:
                raise BackupRefused(
                    f"{self._file} is not a backup of SolarRally"
                ) from error
            raise self.broken(str(error)) from error
        except EOFError as error:
            raise self.broken("it ends too early") from error
        except zlib.error as error:
            raise self.broken(str(error)) from error

    def broken(self, why: str) -> BackupRefused:
        """Return the error that tells where."""
        return BackupRefused(f"{self._file} is damaged at line {self._number}: {why}")


# -- values ----------------------------------------------------------------------------------


def _writing(kind: Any) -> Callable[[Any], Any] | None:
    """Return what makes JSON of a column's values; None when they are JSON already."""
    if isinstance(kind, ExactDecimal):
        return str
    if isinstance(kind, UtcDateTime):
        return datetime.isoformat
    if isinstance(kind, Date):
        return date.isoformat
    if isinstance(kind, LargeBinary):
        return lambda data: base64.b64encode(data).decode()
    return None


def _reading(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a column's values of JSON. It raises ValueError or TypeError."""
    return next(read for of, read in _READING if isinstance(kind, of))


def _same(value: Any) -> Any:
    return value


def _of[T](kind: type[T], value: object) -> T:
    # Exactly: True is an int to Python, not to a database.
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:40]!r} is not of type {kind.__name__}")
    return value


def _decimal(value: object) -> Decimal:
    try:
        number = Decimal(_of(str, value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no decimal") from error
    if not number.is_finite():
        raise ValueError(f"{value!r} is no finite decimal")
    return number


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_of(str, value))
    if at.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    return at


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(_of(str, value), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _exactly[T](kind: type[T]) -> Callable[[object], T]:
    return lambda value: _of(kind, value)


_READING: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (ExactDecimal, _decimal),
    (UtcDateTime, _time),
    (Instant, _exactly(int)),
    (Date, lambda value: date.fromisoformat(_of(str, value))),
    (LargeBinary, _bytes),
    (JSON, _same),
    (Boolean, _exactly(bool)),
    (Integer, _exactly(int)),
    (Text, _exactly(str)),
)
"""Of a column's type, the first that fits; BigInteger is an Integer."""


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
