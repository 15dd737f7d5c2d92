"""Tariffs, and whom they cover."""

from datetime import datetime
from typing import Protocol

from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_choice import Assignment
from billing_service.services.ports.people import Viewer


class Tariffs(Protocol):
    """Versions of tariffs; a version never changes."""

    async def add(self, tariff: Tariff) -> None:
        """Store a new version. Raises Conflict when (id, version) exists."""

    async def latest(self, tariff_id: str) -> Tariff | None:
        """Return the newest version."""

    async def versions(self, tariff_id: str) -> list[Tariff]:
        """Return all versions, the newest first."""

    async def in_force(
        self, at: datetime, *, station_id: str, user_id: str | None
    ) -> Tariff | None:
        """Return the tariff that covers a session which starts then; see ``tariff_choice``."""

    async def unassigned(self, at: datetime) -> list[Tariff]:
        """Return those that hold then and were never assigned; the first covers everyone."""

    async def hidden_from(self, viewer: Viewer) -> set[str]:
        """Return the tariffs that were never meant for the viewer; none for an admin."""

    async def assignments(self) -> list[Assignment]:
        """Return all, ended ones too, the last begun first."""

    async def save_assignment(self, assignment: Assignment) -> None:
        """Insert or replace."""

    async def all(self) -> list[Tariff]:
        """Return the newest version of each, by id."""
