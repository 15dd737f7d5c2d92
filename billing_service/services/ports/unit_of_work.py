"""Transactions over all that is kept."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from billing_service.services.ports.access import Grants, ServiceTokens, SignIns
from billing_service.services.ports.audit import Audit
from billing_service.services.ports.bills import Bills, Suppliers
from billing_service.services.ports.charging_tokens import ChargingTokens
from billing_service.services.ports.corrections import Corrections
from billing_service.services.ports.firmware import Firmware
from billing_service.services.ports.frames import (
    Frames,
    RejectedMessages,
    SessionEvents,
)
from billing_service.services.ports.metering import Marks, Summaries
from billing_service.services.ports.people import Customers, Users
from billing_service.services.ports.proofs import Proofs
from billing_service.services.ports.sessions import Sessions
from billing_service.services.ports.stations import Stations
from billing_service.services.ports.tariffs import Tariffs


class ReadUnitOfWork(Protocol):
    """The repositories of one transaction that only reads."""

    @property
    def frames(self) -> Frames:
        """See ``Frames``."""

    @property
    def marks(self) -> Marks:
        """See ``Marks``."""

    @property
    def rejected(self) -> RejectedMessages:
        """See ``RejectedMessages``."""

    @property
    def events(self) -> SessionEvents:
        """See ``SessionEvents``."""

    @property
    def stations(self) -> Stations:
        """See ``Stations``."""

    @property
    def sessions(self) -> Sessions:
        """See ``Sessions``."""

    @property
    def summaries(self) -> Summaries:
        """See ``Summaries``."""

    @property
    def tariffs(self) -> Tariffs:
        """See ``Tariffs``."""

    @property
    def bills(self) -> Bills:
        """See ``Bills``."""

    @property
    def customers(self) -> Customers:
        """See ``Customers``."""

    @property
    def supplier(self) -> Suppliers:
        """See ``Suppliers``."""

    @property
    def proofs(self) -> Proofs:
        """See ``Proofs``."""

    @property
    def corrections(self) -> Corrections:
        """See ``Corrections``."""

    @property
    def users(self) -> Users:
        """See ``Users``."""

    @property
    def audit(self) -> Audit:
        """See ``Audit``."""

    @property
    def grants(self) -> Grants:
        """See ``Grants``."""

    @property
    def charging_tokens(self) -> ChargingTokens:
        """See ``ChargingTokens``."""

    @property
    def firmware(self) -> Firmware:
        """See ``Firmware``."""

    @property
    def service_tokens(self) -> ServiceTokens:
        """See ``ServiceTokens``."""

    @property
    def sign_ins(self) -> SignIns:
        """See ``SignIns``."""


class UnitOfWork(ReadUnitOfWork, Protocol):
    """The repositories of one transaction that may write."""

    async def commit(self) -> None:
        """Make everything durable. Without it, leaving the block undoes everything."""


type OpenUnitOfWork = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a transaction; nested use is not needed and not allowed."""


type OpenReadUnitOfWork = Callable[[], AbstractAsyncContextManager[ReadUnitOfWork]]
"""Opens a transaction that only reads."""
