"""Who is covered by which tariff; the rule itself is ``domain.tariff_choice``."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import uuid4

from billing_service.domain.errors import InvalidInput, NotFound
from billing_service.domain.tariff_choice import Assignment
from billing_service.services.audit import Actor, plain
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    UnitOfWork,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssignment:
    """Whom to cover with a tariff; ``from_at`` None: from now on."""

    tariff_id: str
    user_id: str | None = None
    group: str | None = None
    station_id: str | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None


class TariffAssignments:
    """Assigns tariffs and ends assignments; everything is noted in the audit log."""

    def __init__(
        self, open_uow: OpenUnitOfWork, open_read: OpenReadUnitOfWork, clock: Clock
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock

    async def all(self) -> list[Assignment]:
        """Return all that ever covered anyone, the last begun first."""
        async with self._open_read() as read:
            every = await read.tariffs.assignments()
        return [each for each in every if not each.never]

    async def assign(self, actor: Actor, new: NewAssignment) -> Assignment:
        """Cover someone with a tariff. What covered the same before ends then.

        Raises InvalidInput. A session keeps the tariff it began with.
        """
        now = self._clock()
        made = Assignment(
            id=str(uuid4()),
            tariff_id=new.tariff_id,
            user_id=new.user_id,
            group=new.group,
            station_id=new.station_id,
            from_at=new.from_at or now,
            until_at=new.until_at,
        )
        async with self._open_uow() as uow:
            await _check(uow, made)
            for each in await uow.tariffs.assignments():
                if (
                    not each.never
                    and each.same_target == made.same_target
                    and each.holds(made.from_at or now)
                ):
                    await uow.tariffs.save_assignment(
                        replace(each, until_at=made.from_at)
                    )
            await uow.tariffs.save_assignment(made)
            await uow.audit.add(
                at=now,
                actor=actor.label,
                action="tariff.assign",
                subject=f"tariff:{made.tariff_id}",
                after=plain(asdict(made)),
                address=actor.address,
            )
            await uow.commit()
        return made

    async def end(self, actor: Actor, assignment_id: str) -> None:
        """End one now. Raises NotFound."""
        now = self._clock()
        async with self._open_uow() as uow:
            found = next(
                (
                    each
                    for each in await uow.tariffs.assignments()
                    if each.id == assignment_id and not each.never
                ),
                None,
            )
            if found is None:
                raise NotFound(f"there is no assignment {assignment_id}")
            if found.until_at is not None and found.until_at <= now:
                return
            # One that has not begun never will.
            until = now if found.from_at is None else max(now, found.from_at)
            await uow.tariffs.save_assignment(replace(found, until_at=until))
            await uow.audit.add(
                at=now,
                actor=actor.label,
                action="tariff.unassign",
                subject=f"tariff:{found.tariff_id}",
                before=plain(asdict(found)),
                address=actor.address,
            )
            await uow.commit()


async def _check(uow: UnitOfWork, new: Assignment) -> None:
    problems = []
    if await uow.tariffs.latest(new.tariff_id) is None:
        problems.append(("tariff_id", "there is no such tariff"))
    if new.user_id is not None and await uow.users.get(new.user_id) is None:
        problems.append(("user_id", "there is no such user"))
    if new.station_id is not None and await uow.stations.get(new.station_id) is None:
        problems.append(("station_id", "there is no such station"))
    if new.user_id is not None and new.group is not None:
        problems.append(("group", "name a user or a group, not both"))
    if new.until_at is not None and new.from_at and new.until_at <= new.from_at:
        problems.append(("until_at", "must be after from_at"))
    if problems:
        raise InvalidInput(*problems)
