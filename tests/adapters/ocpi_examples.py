"""The tariffs and sessions of the worked examples in OCPI 2.2.1 (mod_tariffs, mod_cdrs).

Sessions are built as CDR JSON. Times are UTC unless a test says otherwise.
"""

from typing import Any

from billing_service.adapters.ocpi import session_from_ocpi, tariff_from_dict
from billing_service.domain.cdr import Cdr
from billing_service.domain.rating import rate_usages

WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]


def component(
    kind: str, price: float, vat: float | None = None, step_size: int = 1
) -> dict[str, Any]:
    """A price component."""
    data: dict[str, Any] = {"type": kind, "price": price, "step_size": step_size}
    return data if vat is None else {**data, "vat": vat}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """A tariff element."""
    data: dict[str, Any] = {"price_components": list(components)}
    return {**data, "restrictions": restrictions} if restrictions else data


def tariff(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A tariff in euro."""
    return {
        "country_code": "DE",
        "party_id": "ALL",
        "id": "16",
        "currency": "EUR",
        "elements": list(elements),
        "last_updated": "2018-12-17T11:16:55Z",
        **more,
    }


def cdr(
    start: str, end: str, *periods: tuple[str, dict[str, float]], **more: Any
) -> dict[str, Any]:
    """A CDR of (start, {dimension: volume}) periods."""
    return {
        "start_date_time": start,
        "end_date_time": end,
        "charging_periods": [
            {
                "start_date_time": at,
                "dimensions": [{"type": k, "volume": v} for k, v in volumes.items()],
            }
            for at, volumes in periods
        ],
        **more,
    }


def rated(tariff_json: dict[str, Any], cdr_json: dict[str, Any]) -> Cdr:
    """Rate a CDR by a tariff."""
    session = session_from_ocpi(cdr_json)
    return rate_usages(
        session.usages,
        tariff_from_dict(tariff_json),
        session.time_zone,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )


ENERGY_10 = component("ENERGY", 0.25, 10)
START_FEE = component("FLAT", 0.5, 20)
PER_KWH = tariff(element(ENERGY_10))
WITH_START_FEE = tariff(element(START_FEE, ENERGY_10))
WITH_MIN_PRICE = tariff(
    element(ENERGY_10), min_price={"excl_vat": 0.5, "incl_vat": 0.55}
)
WITH_PARKING = tariff(
    element(START_FEE, ENERGY_10, component("PARKING_TIME", 2, 20, 900))
)
WITH_MAX_PRICE = tariff(
    element(START_FEE, ENERGY_10), max_price={"excl_vat": 10, "incl_vat": 11}
)
PER_HOUR = tariff(element(component("TIME", 2, 10, 60)))
CHARGING_AND_PARKING = tariff(
    element(component("TIME", 3, 10, 60), component("PARKING_TIME", 5, 20, 300))
)
AD_HOC = tariff(element(component("TIME", 1.9, 5.2, 300)), type="AD_HOC_PAYMENT")
STEP_100_WH = tariff(element(component("ENERGY", 0.25, 10, 100)))
STEP_100_WH_AND_FEE = tariff(element(START_FEE, component("ENERGY", 0.25, 10, 100)))
COMPLEX = tariff(
    element(component("FLAT", 2.5, 15)),
    element(component("TIME", 1, 20, 900), max_current=32),
    element(component("TIME", 2, 20, 600), min_current=32, day_of_week=WORKDAYS),
    element(
        component("TIME", 1.25, 20, 600),
        min_current=32,
        day_of_week=["SATURDAY", "SUNDAY"],
    ),
    element(
        component("PARKING_TIME", 5, 10, 300),
        start_time="09:00",
        end_time="18:00",
        day_of_week=WORKDAYS,
    ),
    element(
        component("PARKING_TIME", 6, 10, 300),
        start_time="10:00",
        end_time="17:00",
        day_of_week=["SATURDAY"],
    ),
)
FREE = tariff(element(component("FLAT", 0, step_size=0)))
FIRST_HOUR_AND_KWH_FREE = tariff(
    element(
        component("PARKING_TIME", 0, step_size=60), min_duration=0, max_duration=3600
    ),
    element(
        component("PARKING_TIME", 2, step_size=60),
        min_duration=3600,
        max_duration=10800,
    ),
    element(component("PARKING_TIME", 3, step_size=60), min_duration=10800),
    element(component("ENERGY", 0), max_kwh=1),
    element(component("ENERGY", 0.2), min_kwh=1),
)
RESERVATION = tariff(
    element(component("TIME", 5, 20, 60), reservation="RESERVATION"),
    element(START_FEE, ENERGY_10),
)
RESERVATION_FEE = tariff(
    element(
        component("FLAT", 2, 20),
        component("TIME", 5, 20, 300),
        reservation="RESERVATION",
    ),
    element(START_FEE, ENERGY_10),
)
EXPIRY_FEE = tariff(
    element(component("FLAT", 4, 20), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", 2, 20, 600), reservation="RESERVATION"),
    element(START_FEE, ENERGY_10),
)
EXPIRY_TIME = tariff(
    element(component("TIME", 6, 20, 600), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", 3, 20, 600), reservation="RESERVATION"),
    element(START_FEE, ENERGY_10),
)
STEPS = tariff(
    element(
        component("TIME", 1.2, step_size=1800),
        component("PARKING_TIME", 1, step_size=900),
        start_time="00:00",
        end_time="17:00",
    ),
    element(
        component("TIME", 2.4, step_size=900),
        component("PARKING_TIME", 1, step_size=900),
        start_time="17:00",
        end_time="20:00",
    ),
    element(
        component("TIME", 2.4, step_size=900), start_time="20:00", end_time="00:00"
    ),
)
MAX_POWER = tariff(
    element(component("ENERGY", 0.2, 20), max_power=16),
    element(component("ENERGY", 0.35, 20), max_power=32),
    element(component("ENERGY", 0.5, 20)),
)
MAX_DURATION = tariff(
    element(component("ENERGY", 0, 20), max_duration=1800),
    element(component("ENERGY", 0.25, 20), max_duration=3600),
    element(component("ENERGY", 0.4, 20)),
)
