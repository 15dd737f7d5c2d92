"""A day at one frame a second, 86,400 frames, from stored frames to the CDR.

Four ways lead there. The service folds a running session frame by frame, so that at its end the
sums are there and only the end is left. After a restart nothing is in memory. A frame that comes
late from before all others asks for a fold of all anew. And a day that came from an SD card was
never folded at all. All give the same CDR, which is checked.
"""

import asyncio
import tempfile
import time
from copy import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from billing_service.adapters.db import Database, migrate
from billing_service.adapters.live import InProcessLiveBus
from billing_service.adapters.wire import parse_frame
from billing_service.app import utc_now
from billing_service.domain.cdr import Cdr
from billing_service.domain.frame import EventType, Frame, SessionEvent, to_ms
from billing_service.domain.metering import MeteringRules, SessionMeter
from billing_service.domain.period import Source
from billing_service.domain.rating import rate
from billing_service.domain.session import SessionStatus
from billing_service.domain.tariff import (
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)
from billing_service.services.ingest import Batch, Ingest
from billing_service.services.metering import Metering, MeteringSettings
from billing_service.services.uploads import BATCH_LINES
from scripts.benchmarks.frames import telemetry
from scripts.benchmarks.report import Report
from scripts.rig.postgres import Cluster, postgres_bin

DAY = 86_400
_WAYS = {
    "end": "at its end",
    "restart": "after a restart",
    "anew": "all anew",
    "first": "first time",
}
_STATION = "bench0"
_ZONE = "Europe/Vienna"
_TARIFF = Tariff(
    id="home",
    version=1,
    name="Home",
    currency="EUR",
    elements=(
        TariffElement(
            price_components=(
                PriceComponent(type=Dimension.ENERGY, price=Decimal("0.10")),
            ),
            restrictions=Restrictions(source=Source.SOLAR),
        ),
        TariffElement(
            price_components=(
                PriceComponent(type=Dimension.ENERGY, price=Decimal("0.30")),
            ),
        ),
    ),
)


async def measure(runs: int, frames: int = DAY) -> Report:
    """Measure all ways on SQLite and TimescaleDB."""
    report = Report(
        "rating",
        f"{frames:,} frames with both meters' registers, the source changing every few minutes, "
        "from stored frames to the rated CDR. *At its end*: the session was folded while it ran, "
        "as the service does; from its stored end to the CDR. *After a restart*: the same with "
        "nothing in memory. *All anew*: a frame from before all others comes late. *First time*: "
        "the day came from an SD card, in an upload's batches, and was never folded. The limits: "
        "reading the rows into Python, and the fold alone, of frames in memory.",
    )
    made = await asyncio.to_thread(_frames, frames + 1)
    report.add("fold alone", *(_fold(made[1:]) for _ in range(runs)), unit="ms")
    for kind in ("SQLite", "TimescaleDB"):
        results = await _on(kind, made, runs)
        read = f"{kind}: read rows"
        report.add(read, *results["read"], unit="ms")
        for way, name in _WAYS.items():
            report.add(
                f"{kind}: {name}",
                *results[way],
                unit="ms",
                limit=read,
                aim="< 100 ms",
            )
    return report


async def _on(kind: str, frames: list[Frame], runs: int) -> dict[str, list[float]]:
    results: dict[str, list[float]] = {way: [] for way in ("read", *_WAYS)}
    with tempfile.TemporaryDirectory(prefix="solarrally-bench-") as folder:
        if kind == "SQLite":
            database = Database(f"sqlite:///{Path(folder) / 'b.db'}", utc_now)
            await _measure(database, frames, runs, results)
            return results
        bin_dir = postgres_bin()
        assert bin_dir is not None, "PostgreSQL with TimescaleDB is not installed"
        server = await asyncio.to_thread(Cluster, bin_dir, fsync=True)
        try:
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.create, "bench")
            database = Database(server.url("bench"), utc_now)
            await _measure(database, frames, runs, results)
        finally:
            await asyncio.to_thread(server.remove)
    return results


async def _measure(
    database: Database, frames: list[Frame], runs: int, results: dict[str, list[float]]
) -> None:
    try:
        await migrate(database.engine)
        ingest = Ingest(database.write, utc_now, time_zone=_ZONE)
        async with database.write() as uow:
            await uow.tariffs.add(_TARIFF)
            await uow.commit()
        for run in range(runs):
            # Each run is a session of its own, a boot later.
            boot = run + 1
            name = f"{boot}-1"
            late, *mine = (_of(frame, boot, name) for frame in frames)
            metering = _metering(database)
            for at in range(0, len(mine), 20_000):
                await ingest.store(Batch(frames=mine[at : at + 20_000]))
                await metering.run_once()
            await ingest.store(Batch(events=[_end(mine, name, EventType.UNPLUGGED)]))
            first = await _timed(database, metering, name, results["end"])
            await ingest.store(
                Batch(events=[_end(mine, name, EventType.SESSION_ENDED)])
            )
            again = await _timed(
                database, _metering(database), name, results["restart"]
            )
            assert first == again
            assert first.total_energy_kwh == Decimal(len(mine) - 1) / 1000
            await ingest.store(Batch(frames=[late]))
            whole = await _timed(database, _metering(database), name, results["anew"])
            assert whole.total_energy_kwh == Decimal(len(mine)) / 1000
            await _upload(ingest, frames[1:], f"{boot}-2", boot + runs)
            uploaded = await _timed(
                database, _metering(database), f"{boot}-2", results["first"]
            )
            assert uploaded.total_cost == first.total_cost
            began = time.perf_counter()
            async with database.read() as uow:
                read = [frame async for frame in uow.frames.of_session(_STATION, name)]
            results["read"].append(_ms(began))
            assert len(read) == len(mine) + 1
    finally:
        await database.dispose()


async def _upload(ingest: Ingest, frames: list[Frame], name: str, boot: int) -> None:
    mine = [_of(frame, boot, name) for frame in frames]
    for at in range(0, len(mine), BATCH_LINES):
        await ingest.store(Batch(frames=mine[at : at + BATCH_LINES], alive=False))
    await ingest.store(Batch(events=[_end(mine, name, EventType.SESSION_ENDED)]))


def _metering(database: Database) -> Metering:
    return Metering(database.write, utc_now, InProcessLiveBus(), MeteringSettings())


async def _timed(
    database: Database, metering: Metering, name: str, results: list[float]
) -> Cdr:
    """Measure a round of metering and the rating of what came of it."""
    began = time.perf_counter()
    await metering.run_once()
    cdr = await _cdr(database, name)
    results.append(_ms(began))
    return cdr


async def _cdr(database: Database, name: str) -> Cdr:
    async with database.read() as uow:
        session = await uow.sessions.named(_STATION, name)
        assert session is not None
        assert session.status is SessionStatus.COMPLETED
        periods = await uow.sessions.periods(session.id)
    assert session.tariff is not None
    return rate(
        periods,
        session.tariff,
        _ZONE,
        started_at=session.started_at,
        ended_at=session.ended_at or session.started_at,
    )


def _of(frame: Frame, boot: int, name: str) -> Frame:
    return replace(frame, boot=boot, session=name)


def _end(frames: list[Frame], name: str, kind: EventType) -> SessionEvent:
    return SessionEvent(
        station_id=_STATION,
        type=kind,
        at_ms=frames[-1].at_ms,
        session=name,
        started_at_ms=None,
        reason="unplugged",
    )


def _frames(count: int) -> list[Frame]:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=count + 600)
    now_ms = to_ms(datetime.now(UTC))
    return [
        parse_frame(
            telemetry(_STATION, 1, seq, start + timedelta(seconds=seq)),
            topic_station=_STATION,
            default_station=_STATION,
            now_ms=now_ms,
        )
        for seq in range(count)
    ]


def _fold(frames: list[Frame]) -> float:
    began = time.perf_counter()
    meter = SessionMeter(MeteringRules())
    meter.extend(frames)
    meter.result()
    return _ms(began)


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
