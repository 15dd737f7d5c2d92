"""Charging sessions, as people see and steer them.

A session is made from what a station measured. None can be typed in: there would be no evidence
for its bill.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import (
    CommandRefused,
    InvalidInput,
    NotAllowed,
    SessionBilled,
    SessionOpen,
    StationInUse,
    StationPending,
    StationSilent,
)
from billing_service.domain.frame import NO_BOOT, to_ms
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.rating import rate
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.splitting import split_evenly
from billing_service.domain.tariff import Tariff
from billing_service.services.audit import Actor
from billing_service.services.metering import ENDED_BY_ADMIN
from billing_service.services.ports import (
    Clock,
    CommandSender,
    Mark,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    Page,
    ReadUnitOfWork,
    SessionQuery,
    UnitOfWork,
    Viewer,
)
from billing_service.services.users import UNSET, Unset

OPEN = frozenset({SessionStatus.PENDING, SessionStatus.ACTIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDetail:
    """A session, its periods, and what it costs by its tariff; None while nothing can be said."""

    session: Session
    time_zone: str
    periods: tuple[ChargingPeriod, ...]
    cost: Cdr | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanges:
    """What to change of a session; UNSET stays as it is.

    ``charging`` starts or stops the flow of power; ``ended`` ends a session whose station does
    not say so any more; ``user_id`` assigns the driver.
    """

    charging: bool | Unset = UNSET
    ended: bool = False
    user_id: str | Unset | None = UNSET


class Sessions:
    """Lists, starts, steers and deletes sessions."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        commands: CommandSender,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._commands = commands

    async def page(self, query: SessionQuery, viewer: Viewer) -> Page[Session]:
        """Return one page of the viewer's sessions, newest first."""
        async with self._open_read() as read:
            return await read.sessions.page(query, viewer)

    async def get(self, session_id: str, viewer: Viewer) -> SessionDetail:
        """Return one with its periods and cost so far. Raises NotFound, also for another's."""
        async with self._open_read() as read:
            session = await read.sessions.get(session_id, viewer)
            periods = tuple(await read.sessions.periods(session_id))
            zone = await time_zone_of(read, session)
            issued = await read.bills.cdr(session_id)
        cost = issued or cost_so_far(session, periods, zone)
        return SessionDetail(
            session=session, time_zone=zone, periods=periods, cost=cost
        )

    async def start(self, actor: Actor, station_id: str) -> Session | None:
        """Start a charge at a station the actor may use, and make it theirs.

        Returns the session, or None when the station agreed but has not opened one yet: the first
        that appears within a quarter of an hour is the actor's. Raises NotFound, StationPending,
        StationInUse, CommandRefused, StationSilent.
        """
        async with self._open_read() as read:
            station = await read.stations.one(station_id, actor.viewer)
            if not station.accepted:
                raise StationPending(f"Accept the station {station_id} first.")
            for session in await read.sessions.open_at(station_id):
                _refuse_others(session, actor)
        await self._send(actor, station_id, "start", f"station:{station_id}")
        async with self._open_uow() as uow:
            await uow.marks.hold(station_id)
            open_now = await uow.sessions.open_at(station_id)
            session_now = open_now[-1] if open_now else None
            if session_now is None:
                await uow.stations.claim(station_id, actor.user_id, self._clock())
            elif session_now.user_id is None:
                await uow.sessions.assign(session_now.id, actor.user_id)
                session_now = await with_tariff_of_driver(
                    uow, replace(session_now, user_id=actor.user_id)
                )
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="session.start",
                subject=f"session:{session_now.id}"
                if session_now
                else f"station:{station_id}",
                after={"user_id": actor.user_id},
                address=actor.address,
            )
            await uow.commit()
        return session_now

    async def change(
        self, actor: Actor, session_id: str, changes: SessionChanges
    ) -> Session:
        """Steer a session or assign its driver.

        Its driver may start and stop it; the rest is an admin's. Raises NotFound, NotAllowed,
        InvalidInput, SessionBilled, Conflict, CommandRefused, StationSilent.
        """
        wants_admin = changes.ended or not isinstance(changes.user_id, Unset)
        async with self._open_read() as read:
            session = await read.sessions.get(session_id, actor.viewer)
            if wants_admin and actor.viewer.is_admin:
                await _check_driver(read, session, changes.user_id)
        # A program with a service token starts and stops charges; it decides on nobody's bill.
        if wants_admin and (not actor.viewer.is_admin or actor.scopes is not None):
            raise NotAllowed("Only an admin may do this.")
        if not isinstance(changes.charging, Unset):
            if changes.charging and changes.ended:
                raise InvalidInput(("charging", "a session that ends is not started"))
            async with self._open_read() as read:
                if not await _can_be_steered(read, session, charging=changes.charging):
                    raise InvalidInput(("charging", "the session has ended"))
            command = "start" if changes.charging else "stop"
            if changes.charging:
                # Whom the station is closed to meanwhile may still stop what they began.
                async with self._open_read() as read:
                    await read.stations.one(session.station_id, actor.viewer)
            subject = f"session:{session_id}"
            await self._send(actor, session.station_id, command, subject)
        async with self._open_uow() as uow:
            await uow.marks.hold(session.station_id)
            session = await uow.sessions.get(session_id, actor.viewer)
            before = session
            if not isinstance(changes.user_id, Unset):
                session = replace(session, user_id=changes.user_id)
                await _check_driver(uow, before, changes.user_id)
                if session.user_id != before.user_id:
                    await uow.sessions.assign(session_id, session.user_id)
                    session = await with_tariff_of_driver(uow, session)
            if changes.ended and session.status in OPEN:
                session = replace(
                    session,
                    status=SessionStatus.COMPLETED,
                    ended_at=session.last_frame_at or self._clock(),
                    end_reason=ENDED_BY_ADMIN,
                )
                await uow.sessions.save(session)
            if _facts(session) != _facts(before):
                await uow.audit.add(
                    at=self._clock(),
                    actor=actor.label,
                    action="session.change",
                    subject=f"session:{session_id}",
                    before=_facts(before),
                    after=_facts(session),
                    address=actor.address,
                )
            await uow.commit()
        return session

    async def _send(
        self, actor: Actor, station_id: str, command: str, subject: str
    ) -> None:
        """Send a command, and note at once what came of it: what follows may still be refused.

        Raises CommandRefused, StationSilent.
        """
        failure: CommandRefused | StationSilent | None = None
        after = {"command": command, "outcome": "done"}
        try:
            await self._commands.send(station_id, command)
        except (CommandRefused, StationSilent) as error:
            failure = error
            after["outcome"] = error.code
            if isinstance(error, CommandRefused):
                after["error"] = error.error
        async with self._open_uow() as uow:
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="session.command",
                subject=subject,
                after=after,
                address=actor.address,
            )
            await uow.commit()
        if failure is not None:
            raise failure

    async def delete(self, actor: Actor, session_id: str) -> None:
        """Delete a session that is neither billed nor under way; its frames stay.

        Raises NotFound, SessionBilled, SessionOpen.
        """
        async with self._open_uow() as uow:
            session = await uow.sessions.get(session_id, actor.viewer)
            if session.bill_id is not None:
                raise SessionBilled(
                    f"Session {session_id} has bill {session.bill_id} and cannot be deleted."
                )
            if session.status in OPEN:
                raise SessionOpen("The session is under way. End it first.")
            await uow.sessions.delete(session_id)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="session.delete",
                subject=f"session:{session_id}",
                before={
                    "station_id": session.station_id,
                    "station_session": session.station_session,
                    "user_id": session.user_id,
                    "started_at": session.started_at.isoformat(),
                    "energy_wh": str(session.energy_wh),
                },
                address=actor.address,
            )
            await uow.commit()


async def _can_be_steered(
    read: ReadUnitOfWork, session: Session, *, charging: bool
) -> bool:
    """Whether a command to its station would be this session's and no other's.

    One that an admin ended may charge on, for its station was not asked; that can be stopped.
    """
    if session.status in OPEN:
        return True
    goes_on = session.end_reason == ENDED_BY_ADMIN and not charging
    return goes_on and not await read.sessions.open_at(session.station_id)


async def with_tariff_of_driver(uow: UnitOfWork, session: Session) -> Session:
    """Freeze the tariff that the session's driver has at its start, as is known only now.

    It is marked to be metered anew where its periods may have to be cut elsewhere; where the frames
    for that are gone, what is split evenly is marked as estimated. The caller holds the station, so
    that metering does not put the former tariff back.
    """
    tariff = await uow.tariffs.in_force(
        session.started_at, station_id=session.station_id, user_id=session.user_id
    )
    if tariff is None or tariff == session.tariff:
        return session
    session = replace(session, tariff=tariff)
    if session.settled:
        return await _with_estimates(uow, session, tariff)
    await uow.sessions.save(session)
    inferred = SessionFlag.INFERRED in session.flags
    start_ms = to_ms(session.started_at)
    await uow.marks.add(
        [
            Mark(
                station_id=session.station_id,
                session=None if inferred else session.station_session,
                boot=NO_BOOT,
                seq=0,
                from_ms=start_ms,
                to_ms=to_ms(session.last_frame_at or session.started_at),
            )
        ]
    )
    return session


async def _with_estimates(uow: UnitOfWork, session: Session, tariff: Tariff) -> Session:
    """Store a session whose periods can't be cut by its tariff any more."""
    periods = await uow.sessions.periods(session.id)
    split = split_evenly(
        periods,
        tariff,
        await time_zone_of(uow, session),
        started_at=session.started_at,
    )
    if split:
        periods = [replace(p, estimated=p.estimated or p in split) for p in periods]
        await uow.sessions.save_periods(session.id, periods)
        session = replace(
            session,
            flags=session.flags | {SessionFlag.ESTIMATED_SPLIT},
            estimated_wh=sum((p.energy_wh for p in periods if p.estimated), Decimal(0)),
        )
    await uow.sessions.save(session)
    return session


def cost_so_far(
    session: Session, periods: tuple[ChargingPeriod, ...], time_zone: str
) -> Cdr | None:
    """Rate what has been metered; None without a tariff or anything metered."""
    if session.tariff is None or not periods:
        return None
    return rate(
        periods,
        session.tariff,
        time_zone,
        started_at=min(session.started_at, periods[0].started_at),
        ended_at=max(session.ended_at or periods[-1].ended_at, periods[-1].ended_at),
    )


async def time_zone_of(read: ReadUnitOfWork, session: Session) -> str:
    """Return the time zone of a session's station."""
    station = await read.stations.get(session.station_id)
    return "UTC" if station is None else station.time_zone


async def _check_driver(
    read: ReadUnitOfWork, session: Session, user_id: str | Unset | None
) -> None:
    """See that a session may be given to a user. Raises SessionBilled, InvalidInput."""
    if isinstance(user_id, Unset) or user_id == session.user_id:
        return
    if session.bill_id is not None:
        raise SessionBilled("A billed session keeps its driver.")
    if user_id is not None and await read.users.get(user_id) is None:
        raise InvalidInput(("user_id", "there is no such user"))


def _facts(session: Session) -> dict[str, str | None]:
    """Return what the log keeps of a session that people change."""
    return {"user_id": session.user_id, "status": session.status.value}


def _refuse_others(session: Session, actor: Actor) -> None:
    if session.user_id not in (None, actor.user_id):
        raise StationInUse("Another user charges at this station.")
