"""Values and helpers for database tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.bill import Bill, BilledSession, BillLine, Party, VatLine
from billing_service.domain.cdr import Cdr, CdrLine, Cost
from billing_service.domain.frame import Frame, Pilot
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import (
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)
from billing_service.services.ports import Role, Station, User, Viewer
from tests import databases

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ADMIN = Viewer("u-admin", Role.ADMIN)
DRIVER = Viewer("u-driver", Role.USER)
OTHER = Viewer("u-other", Role.USER)
T0_MS = 1_795_424_400_000


@asynccontextmanager
async def open_database(folder: Path, kind: str = "sqlite") -> AsyncIterator[Database]:
    """Yield an empty, migrated database of a kind (see ``tests.databases``)."""
    async with databases.open_database(kind, folder, lambda: NOW) as made:
        yield made


async def populate(uow: SqlUnitOfWork) -> None:
    """Add three users and a station."""
    for viewer in (ADMIN, DRIVER, OTHER):
        await uow.users.add(user(viewer.user_id, role=viewer.role))
    await uow.stations.save(station())


def user(user_id: str, *, role: Role = Role.USER, **more: Any) -> User:
    """Make a user who is named as the id."""
    fields = {"name": user_id, "password_hash": "x"} | more
    return User(id=user_id, role=role, **fields)


def station(station_id: str = "garage", **more: Any) -> Station:
    """Make a station."""
    fields: dict[str, Any] = {
        "name": "Garage",
        "time_zone": "Europe/Vienna",
        "max_power_w": 11_000,
    }
    return Station(id=station_id, first_seen_at=NOW, **(fields | more))


def frame(seq: int, *, boot: int = 1, session: str | None = "1-1") -> Frame:
    """Make a frame, one a second."""
    return Frame(
        station_id="garage",
        boot=boot,
        seq=seq,
        at_ms=T0_MS + seq * 1000,
        voltage_mv=231_400,
        current_ma=13_900,
        power_mw=3_215_000,
        source=Source.SOLAR,
        register_mwh=10**10 + seq,
        solar_mwh=5 * 10**9 + seq,
        grid_mwh=5 * 10**9,
        pilot=Pilot.C,
        session=session,
        clock_synced=seq % 2 == 0,
    )


def tariff(version: int = 1, tariff_id: str = "home", **more: Any) -> Tariff:
    """Make a tariff whose prices need every digit."""
    component = PriceComponent(
        type=Dimension.ENERGY,
        price=Decimal("0.100000000000000001"),
        vat=Decimal("20.0"),
        step_size=1,
    )
    element = TariffElement(
        price_components=(component,),
        restrictions=Restrictions(
            source=Source.SOLAR, min_duration=timedelta(minutes=5)
        ),
    )
    fields = {"name": f"{tariff_id} v{version}", "currency": "EUR"} | more
    return Tariff(id=tariff_id, version=version, elements=(element,), **fields)


def session(session_id: str = "s-1", **more: Any) -> Session:
    """Make a completed session of the driver, with every field set."""
    fields: dict[str, Any] = {
        "station_id": "garage",
        "station_session": session_id,
        "user_id": "u-driver",
        "status": SessionStatus.COMPLETED,
        "started_at": NOW - timedelta(hours=3),
        "ended_at": NOW - timedelta(hours=1),
        "last_frame_at": NOW - timedelta(hours=1),
        "frames": 7200,
        "solar_wh": Decimal("12345.678"),
        "grid_wh": Decimal("0.000"),
        "integrated_wh": Decimal("12300.1"),
        "estimated_wh": Decimal(0),
        "meter_start_wh": Decimal("9007199254740993.001"),
        "meter_stop_wh": None,
        "flags": frozenset({SessionFlag.GAP, SessionFlag.REGISTER_RESET}),
        "end_reason": "unplugged",
        "token": "04A2",
        "tariff": tariff(),
    } | more
    return Session(id=session_id, **fields)


def period(minute: int, energy_wh: str = "1.5") -> ChargingPeriod:
    """Make a period of one minute."""
    return ChargingPeriod(
        started_at=NOW + timedelta(minutes=minute),
        ended_at=NOW + timedelta(minutes=minute + 1),
        source=Source.GRID,
        charging=True,
        energy_wh=Decimal(energy_wh),
        estimated=minute % 2 == 1,
        min_current_a=Decimal("5.999"),
        max_current_a=Decimal(16),
    )


def cdr() -> Cdr:
    """Make a CDR with one line."""
    cost = Cost(excl_vat=Decimal("1.23456789"), incl_vat=Decimal("1.481481468"))
    line = CdrLine(
        dimension=Dimension.ENERGY,
        element=0,
        started_at=NOW,
        ended_at=NOW + timedelta(hours=1),
        source=Source.SOLAR,
        quantity=Decimal("12.345678"),
        price=Decimal("0.1"),
        vat=Decimal(20),
        cost=cost,
        reason="solar energy",
    )
    return Cdr(
        currency="EUR",
        tariff_id="home",
        tariff_version=1,
        started_at=NOW,
        ended_at=NOW + timedelta(hours=1),
        total_energy_kwh=Decimal("12.345678"),
        solar_energy_kwh=Decimal("12.345678"),
        grid_energy_kwh=Decimal(0),
        total_time=timedelta(hours=1, microseconds=1),
        total_parking_time=timedelta(0),
        total_cost=cost,
        total_fixed_cost=Cost(),
        total_energy_cost=cost,
        total_time_cost=Cost(),
        total_parking_cost=Cost(),
        lines=(line,),
    )


def bill(number: str) -> Bill:
    """Make a bill with one line."""
    line = BillLine(
        dimension=Dimension.ENERGY,
        source=Source.SOLAR,
        quantity=Decimal("12.346"),
        unit="kWh",
        unit_price=Decimal("0.10"),
        vat_percent=Decimal(20),
        amount=Decimal("1.23"),
        description="Solar energy",
    )
    billed = BilledSession(
        session_id="s-1",
        station_id="garage",
        station_name="Garage",
        started_at=NOW,
        ended_at=NOW + timedelta(hours=1),
        time_zone="Europe/Vienna",
        solar_wh=Decimal("12345.678"),
        grid_wh=Decimal(0),
        meter_start_wh=None,
        meter_stop_wh=None,
        estimated_wh=Decimal(0),
        tariff_name="Home",
        tariff_version=1,
        lines=(line,),
    )
    return Bill(
        number=number,
        issued_on=date(2026, 11, 23),
        currency="EUR",
        tax_included=False,
        supplier=Party(name="Supplier", address=("1 Road", "Town"), vat_id="ATU1"),
        customer=Party(name="Driver Ünïcode"),
        sessions=(billed,),
        vat_lines=(
            VatLine(
                rate_percent=Decimal(20),
                net=Decimal("1.23"),
                vat=Decimal("0.25"),
                gross=Decimal("1.48"),
            ),
        ),
        net=Decimal("1.23"),
        vat=Decimal("0.25"),
        total=Decimal("1.48"),
    )
