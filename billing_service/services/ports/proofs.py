"""The evidence that bills rest on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_service.domain.evidence import Evidence
from billing_service.domain.proof import BillEvidence, Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFile:
    """A PDF of a bill that was given out, and when for the first time; SHA-256 in hex."""

    sha256: str
    given_out_at: datetime


class Proofs(Protocol):
    """The evidence that bills rest on, and the chain of its hashes."""

    async def next(self) -> int:
        """Take the next place in the chain; nobody else issues until the transaction ends.

        To be taken before a bill's number.
        """

    async def add(self, ordinal: int, evidence: BillEvidence) -> Proof:
        """Store a bill's evidence at its place in the chain."""

    async def of_bill(self, number: str) -> Proof | None:
        """Return a bill's place in the chain."""

    async def by_hash(self, sha256: str) -> Proof | None:
        """Return the place of the evidence with this hash."""

    async def at(self, ordinal: int) -> Proof | None:
        """Return what stands at a place of the chain, from 1."""

    async def document(self, number: str) -> str | None:
        """Return a bill's evidence as it was written down."""

    async def evidence(self, number: str) -> BillEvidence | None:
        """Return a bill's evidence."""

    async def files(self, number: str) -> list[BillFile]:
        """Return the PDFs of a bill that were given out, the first one first."""

    async def give_out(self, number: str, sha256: str) -> None:
        """Write down that a PDF of a bill is given out, unless it is known; for good."""

    async def readings(self, session_id: str) -> Evidence | None:
        """Return the fingerprint of a session's frames that was taken before they were dropped."""
