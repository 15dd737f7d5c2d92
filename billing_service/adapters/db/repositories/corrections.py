"""Corrections of billed sessions."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import corrections
from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.errors import NotFound
from billing_service.domain.frame import from_ms
from billing_service.services.ports import Page

_OPEN = CorrectionStatus.OPEN.value


class CorrectionRepository(Repository):
    """The ``Corrections`` port."""

    async def open(self, correction: Correction) -> None:
        """Store a new one."""
        await self._connection.execute(
            insert(corrections).values(
                id=correction.id,
                session_id=correction.session_id,
                bill_number=correction.bill_number,
                status=correction.status.value,
                opened_at=correction.opened_at,
                late_from=correction.late_from,
                late_to=correction.late_to,
                closed_by="",
                reason="",
            )
        )

    async def widen(self, session_id: str, late: tuple[int, int]) -> None:
        """Note that the session's open correction covers more time, ms."""
        row = (
            await self._connection.execute(
                select(corrections).where(
                    corrections.c.session_id == session_id,
                    corrections.c.status == _OPEN,
                )
            )
        ).one()
        await self._connection.execute(
            update(corrections)
            .where(corrections.c.id == row.id)
            .values(
                late_from=min(row.late_from, from_ms(late[0])),
                late_to=max(row.late_to, from_ms(late[1])),
            )
        )

    async def get(self, correction_id: str) -> Correction:
        """Return one. Raises NotFound."""
        row = (
            await self._connection.execute(
                select(corrections).where(corrections.c.id == correction_id)
            )
        ).first()
        if row is None:
            raise NotFound(f"there is no correction {correction_id}")
        return _correction(row)

    async def of_bill(self, number: str) -> list[Correction]:
        """Return those of a bill, oldest first."""
        result = await self._connection.execute(
            select(corrections)
            .where(corrections.c.bill_number == number)
            .order_by(corrections.c.opened_at, corrections.c.id)
        )
        return [_correction(row) for row in result]

    async def page(
        self, status: CorrectionStatus | None, *, limit: int, offset: int
    ) -> Page[Correction]:
        """Return one page, newest first."""
        where = [] if status is None else [corrections.c.status == status.value]
        total = await self._connection.scalar(
            select(func.count()).select_from(corrections).where(*where)
        )
        result = await self._connection.execute(
            select(corrections)
            .where(*where)
            .order_by(corrections.c.opened_at.desc(), corrections.c.id)
            .limit(limit)
            .offset(offset)
        )
        return Page(tuple(_correction(row) for row in result), total or 0)

    async def close(
        self,
        correction_id: str,
        status: CorrectionStatus,
        *,
        at: datetime,
        by: str,
        reason: str = "",
        credit_number: str | None = None,
        new_bill_number: str | None = None,
    ) -> bool:
        """Say what has become of an open one; False when it is open no more."""
        closed = await self._connection.execute(
            update(corrections)
            .where(corrections.c.id == correction_id, corrections.c.status == _OPEN)
            .values(
                status=status.value,
                closed_at=at,
                closed_by=by,
                reason=reason,
                credit_number=credit_number,
                new_bill_number=new_bill_number,
            )
        )
        return bool(closed.rowcount)


def _correction(row: Row[Any]) -> Correction:
    return Correction(
        id=row.id,
        session_id=row.session_id,
        bill_number=row.bill_number,
        opened_at=row.opened_at,
        late_from=row.late_from,
        late_to=row.late_to,
        status=CorrectionStatus(row.status),
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        reason=row.reason,
        credit_number=row.credit_number,
        new_bill_number=row.new_bill_number,
    )
