"""Sessions that are settled: a bill rests on them, or their frames are gone.

What comes late changes nothing there. Where it would change a bill, a correction is proposed.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

import structlog

from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.frame import from_ms, to_ms
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.session import Session, SessionFlag
from billing_service.services.metering.folds import Folds
from billing_service.services.metering.marks import New
from billing_service.services.metering.parts import Outcome
from billing_service.services.ports import Clock, Station, UnitOfWork

log = structlog.get_logger(__name__)


class SettledSessions:
    """Notes what came late, and opens corrections."""

    def __init__(self, clock: Clock, folds: Folds) -> None:
        """Take what it works with."""
        self._clock = clock
        self._folds = folds

    async def meter(
        self, uow: UnitOfWork, station: Station, session: Session, new: New | None
    ) -> Outcome:
        """Leave a settled session as it is; say that something came late.

        Where that would change a bill, a correction is opened, or an open one widened.
        """
        if new is not None and SessionFlag.LATE_FRAMES not in session.flags:
            log.warning("late_frames", session_id=session.id, bill_id=session.bill_id)
            session = replace(session, flags=session.flags | {SessionFlag.LATE_FRAMES})
            await uow.sessions.save(session)
        # What is past its retention cannot be metered anew: there is nothing to propose.
        if session.bill_id is None or SessionFlag.FRAMES_DROPPED in session.flags:
            return Outcome(session, None, [])
        late = (
            (to_ms(session.started_at), to_ms(session.ended_at or session.started_at))
            if new is None
            else (new.from_ms, new.to_ms)
        )
        known = await uow.corrections.of_bill(session.bill_id)
        own = [each for each in known if each.session_id == session.id]
        if any(each.status is CorrectionStatus.OPEN for each in own):
            await uow.corrections.widen(session.id, late)
        elif (new is not None or not own) and await self._differs(
            uow, station, session, new
        ):
            await self._open_correction(uow, session, late)
        return Outcome(session, None, [])

    async def _differs(
        self, uow: UnitOfWork, station: Station, session: Session, new: New | None
    ) -> bool:
        """Return whether a billed session would come out otherwise if it were metered anew."""
        if SessionFlag.INFERRED in session.flags:
            return True
        events = await uow.events.of_session(station.id, session.station_session)
        self._folds.forget(session.id)
        folded = await self._folds.fold(uow, station, session, events, new)
        periods = await uow.sessions.periods(session.id)
        return _billable(folded.session, folded.metered.periods) != _billable(
            session, periods
        )

    async def _open_correction(
        self, uow: UnitOfWork, session: Session, late: tuple[int, int]
    ) -> None:
        assert session.bill_id is not None
        correction = Correction(
            id=str(uuid4()),
            session_id=session.id,
            bill_number=session.bill_id,
            opened_at=self._clock(),
            late_from=from_ms(late[0]),
            late_to=from_ms(late[1]),
        )
        await uow.corrections.open(correction)
        await uow.audit.add(
            at=self._clock(),
            actor="metering",
            action="correction.open",
            subject=f"correction:{correction.id}",
            after={"session_id": session.id, "bill": session.bill_id},
        )


def _billable(session: Session, periods: Iterable[ChargingPeriod]) -> object:
    """Return what a bill would rest on."""
    return session.started_at, session.ended_at, session.status, tuple(periods)
