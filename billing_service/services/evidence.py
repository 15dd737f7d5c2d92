"""Writes down what a bill rests on, from the readings at hand."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from billing_service.domain.bill import Bill
from billing_service.domain.cdr import Cdr
from billing_service.domain.evidence import Evidence, EvidenceOf
from billing_service.domain.frame import Frame, to_ms
from billing_service.domain.proof import BillEvidence, ChartPoint, SessionEvidence
from billing_service.domain.session import Session, SessionFlag
from billing_service.services.chart import power_chart
from billing_service.services.ports import ReadUnitOfWork, Station


@dataclass(frozen=True, slots=True)
class Rated:
    """A completed session, where it was, and what it cost."""

    session: Session
    station: Station
    cdr: Cdr


async def evidence_of(
    read: ReadUnitOfWork, bill: Bill, rated: Sequence[Rated]
) -> BillEvidence:
    """Return what a bill rests on; with a chart when it is of one session."""
    sessions = []
    for each in rated:
        session = each.session
        assert session.tariff is not None  # it was rated by it
        sessions.append(
            SessionEvidence(
                session_id=session.id,
                station_session=session.station_session,
                readings=await readings_of(read, session),
                metered=session.frames,
                periods=tuple(await read.sessions.periods(session.id)),
                tariff=session.tariff,
                cdr=each.cdr,
            )
        )
    chart = await chart_of(read, rated[0].session) if len(rated) == 1 else ()
    return BillEvidence(bill=bill, sessions=tuple(sessions), chart=chart)


async def readings_of(read: ReadUnitOfWork, session: Session) -> Evidence:
    """Return the fingerprint of a session's frames, as it was before any were dropped."""
    stored = await read.proofs.readings(session.id)
    if stored is not None:
        return stored
    taken = EvidenceOf()
    async for frame in frames_of(read, session):
        taken.add(frame)
    return taken.result()


async def chart_of(read: ReadUnitOfWork, session: Session) -> tuple[ChartPoint, ...]:
    """Return a session's power over time; nothing when no power is known."""
    ended_at = session.ended_at or session.started_at
    chart = await power_chart(frames_of(read, session), session.started_at, ended_at)
    return chart if any(point.solar_w or point.grid_w for point in chart) else ()


def frames_of(read: ReadUnitOfWork, session: Session) -> AsyncIterator[Frame]:
    """Yield a session's frames in order of (boot, seq)."""
    if SessionFlag.INFERRED in session.flags:
        last = session.last_frame_at or session.ended_at or session.started_at
        return read.frames.unnamed(
            session.station_id, to_ms(session.started_at), to_ms(last)
        )
    return read.frames.of_session(session.station_id, session.station_session)
