"""Sessions whose tariff is known only when they are billed, or hardly sooner.

They charge 7.2 kW for 30 minutes, then 0.6 kW: half the time is not half of the energy, so that it
shows where they were cut.
"""

from collections.abc import AsyncIterator
from copy import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from billing_service.domain.frame import NO_BOOT, Frame
from billing_service.domain.period import Source
from billing_service.domain.session import Session
from billing_service.services.ingest import Batch
from billing_service.services.retention import Maintenance
from tests.api.harness import Api, code, frame, open_api, tariff_json
from tests.services.site import TARIFF

HALVES = [
    {
        "price_components": [{"type": "ENERGY", "price": 1}],
        "restrictions": {"start_time": "10:00", "end_time": "10:30"},
    },
    {"price_components": [{"type": "ENERGY", "price": 2}]},
]
MEASURED = [("3.6", "3.60"), ("0.3", "0.60")]
EVEN = [("1.95", "1.95"), ("1.95", "3.90")]

STATIONS = pytest.mark.parametrize("named", [True, False], ids=["named", "inferred"])


@pytest_asyncio.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Api]:
    """Yield an API without a tariff."""
    async with open_api(tmp_path, tariff=None) as made:
        yield made


def _frame(minute: int, *, named: bool) -> Frame:
    mwh = 120_000 * min(minute, 30) + 10_000 * max(0, minute - 30)
    whole = replace(
        frame(minute, "1-1"),
        power_mw=7_200_000 if minute < 30 else 600_000,
        source=Source.GRID,
        register_mwh=mwh,
        solar_mwh=0,
        grid_mwh=mwh,
    )
    if named:
        return whole
    return replace(whole, session=None, boot=NO_BOOT, seq=whole.at_ms)


async def _end(api: Api, *, named: bool) -> None:
    if named:
        await api.end("1-1")
    else:
        await api.site.receive([replace(_frame(80, named=False), power_mw=0)])


async def _charged(api: Api, *, named: bool = True, driver: str | None) -> Session:
    """Charge for an hour, with or without a driver who is known then."""
    await api.site.receive([_frame(minute, named=named) for minute in range(61)])
    await _end(api, named=named)
    (session,) = await api.site.sessions()
    assert session.status == "COMPLETED"
    if driver is not None:
        await api.assign(session.id, driver)
    return session


async def _set(api: Api, *, assigned: bool = False) -> None:
    """Store the tariff that changes its price at half past, for all or for the driver."""
    body = tariff_json(id="halves", elements=HALVES)
    path = f"/tariffs/?assigned_only={'true' if assigned else 'false'}"
    assert (await api.request("admin", "POST", path, json=body)).status_code == 201
    if assigned:
        body = {"tariff_id": "halves", "user_id": "driver"}
        body |= {"from_at": "2026-11-01T00:00:00Z"}
        await api.request("admin", "POST", "/tariff-assignments/", json=body)


async def _later(api: Api, **time: float) -> None:
    """Let so much time pass that no frame is left."""
    api.advance(**time)
    keep = timedelta(days=30)
    maintenance = Maintenance(api.site.database.write, api.site.clock, keep=keep)
    assert (await maintenance.run_once()).dropped


async def _corrections(api: Api) -> int:
    answer = await api.request("admin", "GET", "/corrections/")
    total: int = answer.json()["total"]
    return total


def _lines(bill: dict[str, Any]) -> list[tuple[str, str]]:
    return [(e["quantity"], e["amount"]) for e in bill["sessions"][0]["lines"]]


@STATIONS
async def test_a_tariff_that_was_made_since(bare: Api, *, named: bool) -> None:
    """The draft and the bill cut the session for it, to the Wh; drafts leave it as it was."""
    session = await _charged(bare, named=named, driver="driver")
    path = f"/sessions/{session.id}/bill"
    assert code(await bare.request("driver", "GET", path)) == (409, "no_tariff")
    await _set(bare)
    draft = (await bare.request("driver", "GET", path)).json()
    month = (await bare.request("driver", "GET", "/bills/months/2026-11")).json()
    assert (await bare.site.session()).tariff is None
    issued = await bare.request("admin", "POST", path)
    assert issued.status_code == 201
    assert _lines(draft) == _lines(month["bills"][0]) == MEASURED
    assert _lines(issued.json()) == MEASURED
    await bare.site.metering.run_once()
    assert await _corrections(bare) == 0


async def test_a_month_by_a_tariff_that_was_made_since(bare: Api) -> None:
    """As for a single bill; what was billed says so to everybody afterwards."""
    await _charged(bare, driver="driver")
    await _set(bare)
    bare.advance(days=30)
    issued = await bare.request("admin", "POST", "/bills/months/2026-11", json={})
    (bill,) = issued.json()["bills"]
    assert _lines(bill) == MEASURED
    tariff = (await bare.site.session()).tariff
    assert tariff is not None
    assert tariff.id == "halves"


@STATIONS
async def test_a_bill_right_after_its_driver_became_known(
    api: Api, *, named: bool
) -> None:
    """It meters what waits: nothing is left that would have to be corrected."""
    session = await _charged(api, named=named, driver=None)
    await _set(api, assigned=True)
    path = f"/sessions/{session.id}"
    await api.request("admin", "PUT", path, json={"user_id": "driver"})
    issued = (await api.request("admin", "POST", f"{path}/bill")).json()
    assert _lines(issued) == MEASURED
    await api.site.metering.run_once()
    assert await _corrections(api) == 0
    assert (await api.site.session()).flags == session.flags


async def test_a_bill_right_after_readings_came(api: Api) -> None:
    """They are on it, though metering has not seen them yet."""
    await api.site.receive([_frame(m, named=True) for m in range(61) if m != 45])
    await api.end("1-1")
    session = await api.site.session()
    assert "gap" in session.flags
    await api.assign(session.id, "driver")
    await api.site.ingest.store(Batch(frames=[_frame(45, named=True)]))
    issued = await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    assert issued.status_code == 201
    assert (await api.site.session()).flags == frozenset()
    await api.site.metering.run_once()
    assert await _corrections(api) == 0


@STATIONS
async def test_a_correction_takes_all_that_waits(api: Api, *, named: bool) -> None:
    """Readings that came since it was opened are on the new bill, and open no other one."""
    frames = [_frame(minute, named=named) for minute in range(61)]
    await api.site.receive(frames[:20])
    await _end(api, named=named)
    session = await api.site.session()
    await api.assign(session.id, "driver")
    await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    await api.site.receive(frames[20:40])
    await api.site.ingest.store(Batch(frames=frames[40:]))
    listed = (await api.request("admin", "GET", "/corrections/")).json()["items"]
    path = f"/corrections/{listed[0]['id']}/confirm"
    assert (await api.request("admin", "POST", path)).status_code == 200
    await api.site.metering.run_once()
    assert await _corrections(api) == 1
    session = await api.site.session()
    assert session.energy_wh == 3900
    assert "late_frames" not in session.flags


@pytest.mark.parametrize("known", ["driver", "tariff"])
async def test_a_session_whose_frames_are_gone(tmp_path: Path, known: str) -> None:
    """It can't be cut any more: what is split evenly says on the bill that it is an estimate."""
    tariff = None if known == "tariff" else TARIFF
    async with open_api(tmp_path, tariff=tariff) as api:
        session = await _charged(api, driver="driver" if known == "tariff" else None)
        await _later(api, days=365)
        await _set(api, assigned=True)
        path = f"/sessions/{session.id}"
        if known == "driver":
            await api.request("admin", "PUT", path, json={"user_id": "driver"})
        bill = (await api.request("admin", "POST", f"{path}/bill")).json()
        assert _lines(bill) == EVEN
        assert bill["sessions"][0]["estimated_wh"] == "3900.000"
        (period,) = (await api.request("admin", "GET", path)).json()["periods"]
        assert period["estimated"]
        assert "estimated_split" in (await api.site.session()).flags


async def test_what_needs_no_cut_is_no_estimate(api: Api) -> None:
    """A tariff whose price stays the same within each period is as good as ever."""
    session = await _charged(api, driver=None)
    await _later(api, days=365)
    body = tariff_json(id="flat")
    await api.request("admin", "POST", "/tariffs/?assigned_only=true", json=body)
    body = {"tariff_id": "flat", "user_id": "driver", "from_at": "2026-11-01T00:00:00Z"}
    await api.request("admin", "POST", "/tariff-assignments/", json=body)
    path = f"/sessions/{session.id}"
    await api.request("admin", "PUT", path, json={"user_id": "driver"})
    bill = (await api.request("admin", "POST", f"{path}/bill")).json()
    assert bill["sessions"][0]["lines"][0]["unit_price"] == "0.25"
    assert bill["sessions"][0]["estimated_wh"] == "0.000"
    assert "estimated_split" not in (await api.site.session()).flags
