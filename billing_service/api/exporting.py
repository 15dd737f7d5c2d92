"""Streams of records as JSON or CSV."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fastapi.responses import StreamingResponse

CSV = "text/csv"

type Cell = str | Decimal | int | date | datetime | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection)."""


async def as_json[T](
    records: AsyncIterator[T], write: Callable[[T], Any], filename: str
) -> StreamingResponse:
    """Return an array of objects, sent while they are read."""
    ready = await _begun(records)

    async def parts() -> AsyncIterator[str]:
        before = "["
        async for each in ready:
            yield before + json.dumps(write(each), ensure_ascii=False)
            before = ",\n"
        yield "]\n" if before != "[" else "[]\n"

    return _response(parts(), "application/json", f"{filename}.json")


async def as_csv[T](
    records: AsyncIterator[T],
    columns: Iterable[str],
    write: Callable[[T], Iterable[Cell]],
    filename: str,
) -> StreamingResponse:
    """Return a table (RFC 4180) with a head line, sent while it is read.

    Text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    ready = await _begun(records)

    async def parts() -> AsyncIterator[str]:
        yield _row(columns)
        async for each in ready:
            yield _row(write(each))

    return _response(
        parts(), f"{CSV}; charset=utf-8; header=present", f"{filename}.csv"
    )


def _response(
    parts: AsyncIterator[str], media_type: str, filename: str
) -> StreamingResponse:
    return StreamingResponse(
        parts,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


async def _begun[T](records: AsyncIterator[T]) -> AsyncIterator[T]:
    """Read the first record at once: what is wrong then can still be answered."""
    first = [each async for each in _taken(records)]

    async def all_of() -> AsyncIterator[T]:
        for each in first:
            yield each
        async for each in records:
            yield each

    return all_of()


async def _taken[T](records: AsyncIterator[T]) -> AsyncIterator[T]:
    try:
        yield await anext(records)
    except StopAsyncIteration:
        return


def _row(cells: Iterable[Cell]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(each) for each in cells])
    return line.getvalue()


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case str():
            return f"'{value}" if value.startswith(_FORMULA) else value
        case _:
            return str(value)
