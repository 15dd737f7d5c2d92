"""Sessions that the station names: from its events and from the frames that carry the name."""

from collections.abc import Sequence

from billing_service.domain.frame import SessionEvent
from billing_service.services.metering.folds import Folds
from billing_service.services.metering.marks import New
from billing_service.services.metering.parts import (
    Openings,
    Outcome,
    end_of,
    start_of,
    started_ms,
)
from billing_service.services.metering.settled import SettledSessions
from billing_service.services.ports import Station, UnitOfWork


class NamedSessions:
    """Brings sessions with a name up to date."""

    def __init__(
        self, openings: Openings, folds: Folds, settled: SettledSessions
    ) -> None:
        """Take what it works with."""
        self._openings = openings
        self._folds = folds
        self._settled = settled

    async def meter(
        self, uow: UnitOfWork, station: Station, name: str, new: New | None
    ) -> Outcome:
        """Bring one up to date; ``new`` says what has come of it."""
        events = await uow.events.of_session(station.id, name)
        known = await uow.sessions.named(station.id, name)
        if known is not None and known.settled:
            return await self._settled.meter(uow, station, known, new)
        session = known or await self._openings.new(
            uow, station, name, _opened_ms(events, new)
        )
        session = await self._openings.with_token(
            uow, station, session, events, fresh=known is None
        )
        session = await self._openings.with_tariff(uow, session)
        folded = await self._folds.fold(uow, station, session, events, new)
        await self._folds.save_folded(uow, folded)
        if end_of(events) is not None:
            # Its end is in the sums: what comes now asks for a fold without it.
            self._folds.forget(session.id)
        return Outcome(folded.session, folded.metered, folded.frames)


def _opened_ms(events: Sequence[SessionEvent], new: New | None) -> int:
    """Return when a session began that is met for the first time: all there is of it is new."""
    started = start_of(events)
    if started is not None:
        return started_ms(started)
    assert new is not None
    return new.from_ms
