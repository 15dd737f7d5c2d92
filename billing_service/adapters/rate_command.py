"""Rates plain OCPI files, with no database: what ``solarrally rate`` does."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from billing_service.adapters.ocpi import (
    cdr_to_ocpi,
    session_from_ocpi,
    tariff_from_dict,
)
from billing_service.domain.errors import CdrInvalid, TariffInvalid
from billing_service.domain.rating import rate_usages
from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_check import ensure_valid
from billing_service.domain.usage import UsedSession

_MAX_BYTES = 16 * 1024 * 1024


class RateRefused(Exception):
    """The files cannot be rated; ``problems`` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem, so that all can be mended at once."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def rate_files(tariff_path: Path, cdr_path: Path) -> dict[str, Any]:
    """Rate a CDR by a tariff and return OCPI's CDR fields. Raises RateRefused."""
    problems: list[str] = []
    tariff = _read_tariff(tariff_path, problems)
    session = _read_session(cdr_path, problems)
    if tariff is None or session is None:
        raise RateRefused(problems)
    if session.currency not in (None, tariff.currency):
        problems.append(
            f"{cdr_path}: $.currency: is {session.currency}, "
            f"but the tariff's is {tariff.currency}"
        )
        raise RateRefused(problems)
    cdr = rate_usages(
        session.usages,
        tariff,
        session.time_zone,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )
    return cdr_to_ocpi(cdr)


def _read_tariff(path: Path, problems: list[str]) -> Tariff | None:
    try:
        tariff = tariff_from_dict(_load(path))
        ensure_valid(tariff)
    except _Unreadable as error:
        problems.append(f"{path}: {error}")
    except TariffInvalid as error:
        problems += [f"{path}: {where}: {text}" for where, text in error.problems]
    else:
        return tariff
    return None


def _read_session(path: Path, problems: list[str]) -> UsedSession | None:
    try:
        return session_from_ocpi(_load(path))
    except _Unreadable as error:
        problems.append(f"{path}: {error}")
    except CdrInvalid as error:
        problems += [f"{path}: {where}: {text}" for where, text in error.problems]
    return None


class _Unreadable(Exception):
    """The file is not there, or is not JSON."""


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise _Unreadable(f"is larger than {_MAX_BYTES // 1024 // 1024} MiB")
    try:
        return json.loads(
            content.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_twins,
        )
    except UnicodeDecodeError as error:
        raise _Unreadable("is not UTF-8 text") from error
    except RecursionError as error:
        raise _Unreadable("is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise _Unreadable(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except ValueError as error:
        raise _Unreadable(f"is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twin!r} is given twice in one object")
    return data
