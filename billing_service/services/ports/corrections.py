"""Billed sessions that would come out otherwise by what came late."""

from datetime import datetime
from typing import Protocol

from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.services.ports.common import Page


class Corrections(Protocol):
    """Billed sessions that would come out otherwise by what came late."""

    async def open(self, correction: Correction) -> None:
        """Store a new one; a session has one open correction at most."""

    async def widen(self, session_id: str, late: tuple[int, int]) -> None:
        """Note that the session's open correction covers more time, ms."""

    async def get(self, correction_id: str) -> Correction:
        """Return one. Raises NotFound."""

    async def of_bill(self, number: str) -> list[Correction]:
        """Return those of a bill, oldest first."""

    async def page(
        self, status: CorrectionStatus | None, *, limit: int, offset: int
    ) -> Page[Correction]:
        """Return one page, newest first."""

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
