"""OCPI 2.2.1 CDR objects (mod_cdrs, 11.3) of issued bills, for partners and their software."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing_service.adapters.ocpi.tariff import tariff_to_dict
from billing_service.domain.cdr import Cost
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.tariff import Tariff
from billing_service.services.exports import BilledCdr

_PLACES = Decimal("0.0001")
"""OCPI's ``number`` has four decimals (types, 16.4)."""

_NUMBERS = frozenset(
    {
        *("price", "vat", "excl_vat", "incl_vat", "min_kwh", "max_kwh"),
        *("min_current", "max_current", "min_power", "max_power"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who operates the stations, and where. XX, XXX and zeros say that nobody has set it."""

    country_code: str = "XX"
    party_id: str = "SRY"
    address: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = "XXX"
    latitude: Decimal = Decimal(0)
    longitude: Decimal = Decimal(0)


class CdrExport:
    """Writes CDRs of one operator."""

    def __init__(self, site: Site) -> None:
        """Take who operates and where."""
        self._site = site

    def __call__(self, given: BilledCdr) -> dict[str, Any]:
        """Return an OCPI CDR; a Credit CDR has negated totals and names the one it takes back.

        Amounts are those of the rating, at four decimals; the bill's are rounded to the cent.
        """
        cdr, session, billed = given.cdr, given.session, given.billed
        sign = -1 if given.credits is not None else 1
        party = {
            "country_code": self._site.country_code,
            "party_id": self._site.party_id,
        }
        issued_at = datetime.combine(
            given.record.bill.issued_on, datetime.min.time(), UTC
        )
        data = {
            **party,
            "id": given.id,
            "start_date_time": _time(cdr.started_at),
            "end_date_time": _time(cdr.ended_at),
            "session_id": session.id,
            "cdr_token": {
                **party,
                "uid": (session.token or session.user_id or session.id)[:36],
                "type": "RFID" if session.token else "APP_USER",
                "contract_id": (given.record.user_id or session.id)[:36],
            },
            "auth_method": "WHITELIST",
            "cdr_location": self._location(billed.station_id, billed.station_name),
            "currency": cdr.currency,
            "tariffs": self._tariffs(given.tariff, issued_at),
            "charging_periods": [
                _period(each, cdr.tariff_id) for each in given.periods
            ],
            "total_cost": _cost(cdr.total_cost, sign),
            "total_fixed_cost": _cost(cdr.total_fixed_cost, sign),
            "total_energy": _number(cdr.total_energy_kwh),
            "total_energy_cost": _cost(cdr.total_energy_cost, sign),
            "total_time": _hours(cdr.total_time.total_seconds()),
            "total_time_cost": _cost(cdr.total_time_cost, sign),
            "total_parking_time": _hours(cdr.total_parking_time.total_seconds()),
            "total_parking_cost": _cost(cdr.total_parking_cost, sign),
            "invoice_reference_id": given.record.bill.number,
            "last_updated": _time(issued_at),
        }
        if given.credits is not None:
            data |= {"credit": True, "credit_reference_id": given.credits}
        return data

    def _location(self, station_id: str, name: str) -> dict[str, Any]:
        site = self._site
        data = {
            "id": station_id,
            "name": name[:255],
            "address": site.address[:45],
            "city": site.city[:45],
            "postal_code": site.postal_code[:10],
            "country": site.country,
            "coordinates": {
                "latitude": f"{site.latitude:.6f}",
                "longitude": f"{site.longitude:.6f}",
            },
            "evse_uid": station_id,
            "evse_id": f"{site.country_code}*{site.party_id}*E{station_id.upper()}",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "CABLE",
            "connector_power_type": "AC_1_PHASE",
        }
        return {
            key: value for key, value in data.items() if value != "" or key in _REQUIRED
        }

    def _tariffs(self, tariff: Tariff | None, issued_at: datetime) -> list[Any]:
        if tariff is None:
            return []
        return [
            {
                "country_code": self._site.country_code,
                "party_id": self._site.party_id,
                **_with_numbers(tariff_to_dict(tariff)),
                "last_updated": _time(issued_at),
            }
        ]


_REQUIRED = frozenset({"address", "city"})


def _period(period: ChargingPeriod, tariff_id: str) -> dict[str, Any]:
    kind = "TIME" if period.charging else "PARKING_TIME"
    dimensions = [{"type": kind, "volume": _hours(period.duration.total_seconds())}]
    if period.energy_wh:
        kwh = _number(period.energy_wh.scaleb(-3))
        dimensions.insert(0, {"type": "ENERGY", "volume": kwh})
    for name, value in (
        ("MIN_CURRENT", period.min_current_a),
        ("MAX_CURRENT", period.max_current_a),
        ("MIN_POWER", _kilo(period.min_power_w)),
        ("MAX_POWER", _kilo(period.max_power_w)),
    ):
        if value is not None:
            dimensions.append({"type": name, "volume": _number(value)})
    return {
        "start_date_time": _time(period.started_at),
        "dimensions": dimensions,
        "tariff_id": tariff_id,
        # Of ours: what the energy was priced by.
        "source": period.source.value,
    }


def _kilo(watts: Decimal | None) -> Decimal | None:
    return None if watts is None else watts.scaleb(-3)


def _cost(cost: Cost, sign: int) -> dict[str, float]:
    return {
        "excl_vat": _number(sign * cost.excl_vat),
        "incl_vat": _number(sign * cost.incl_vat),
    }


def _hours(seconds: float) -> float:
    return _number(Decimal(str(seconds)) / 3600)


def _number(value: Decimal) -> float:
    return float(value.quantize(_PLACES, rounding=ROUND_HALF_UP)) + 0.0


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _with_numbers(value: Any, key: str = "") -> Any:
    """Return a tariff with numbers, as OCPI has them, instead of exact text."""
    match value:
        case dict():
            return {name: _with_numbers(each, name) for name, each in value.items()}
        case list():
            return [_with_numbers(each) for each in value]
        case str() if key in _NUMBERS:
            return float(Decimal(value))
        case _:
            return value
