"""The evidence that bills rest on, and the chain of its hashes."""

from typing import Any

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.adapters.db import documents
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import (
    bill_counters,
    bill_evidence,
    bill_files,
    frame_evidence,
)
from billing_service.domain.evidence import Evidence
from billing_service.domain.proof import (
    FIRST_LINK,
    BillEvidence,
    Proof,
    link_of,
    sha256_of,
)
from billing_service.services.ports import BillFile, Clock

_SERIES = "evidence"
"""The chain's row among the counters; series of bills have no small letters."""


class ProofRepository(Repository):
    """The ``Proofs`` port."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        """Keep the clock that says when evidence was stored."""
        super().__init__(connection)
        self._clock = clock

    async def next(self) -> int:
        """Take the next place in the chain. The row stays locked until the transaction ends."""
        counter = self._insert(bill_counters).values(series=_SERIES, year=0, last=1)
        result = await self._connection.execute(
            counter.on_conflict_do_update(
                index_elements=["series", "year"],
                set_={"last": bill_counters.c.last + 1},
            ).returning(bill_counters.c.last)
        )
        ordinal: int = result.scalar_one()
        return ordinal

    async def add(self, ordinal: int, evidence: BillEvidence) -> Proof:
        """Store a bill's evidence at its place in the chain."""
        document = documents.dump(evidence)
        before = await self.at(ordinal - 1)
        previous = FIRST_LINK if before is None else before.link
        number, sha256 = evidence.bill.number, sha256_of(document)
        proof = Proof(
            bill_number=number,
            ordinal=ordinal,
            sha256=sha256,
            previous=previous,
            link=link_of(previous, number, sha256),
        )
        await self._connection.execute(
            insert(bill_evidence).values(
                bill_number=number,
                ordinal=ordinal,
                sha256=sha256,
                previous=previous,
                link=proof.link,
                document=document,
                created_at=self._clock(),
            )
        )
        return proof

    async def of_bill(self, number: str) -> Proof | None:
        """Return a bill's place in the chain."""
        return await self._one(bill_evidence.c.bill_number == number)

    async def by_hash(self, sha256: str) -> Proof | None:
        """Return the place of the evidence with this hash."""
        return await self._one(bill_evidence.c.sha256 == sha256)

    async def at(self, ordinal: int) -> Proof | None:
        """Return what stands at a place of the chain."""
        return await self._one(bill_evidence.c.ordinal == ordinal)

    async def document(self, number: str) -> str | None:
        """Return a bill's evidence as it was written down."""
        text: str | None = await self._connection.scalar(
            select(bill_evidence.c.document).where(
                bill_evidence.c.bill_number == number
            )
        )
        return text

    async def evidence(self, number: str) -> BillEvidence | None:
        """Return a bill's evidence."""
        text = await self.document(number)
        return None if text is None else documents.load(BillEvidence, text)

    async def files(self, number: str) -> list[BillFile]:
        """Return the PDFs of a bill that were given out, the first one first."""
        rows = await self._connection.execute(
            select(bill_files.c.sha256, bill_files.c.given_out_at)
            .where(bill_files.c.bill_number == number)
            .order_by(bill_files.c.given_out_at, bill_files.c.sha256)
        )
        return [BillFile(**row._mapping) for row in rows]

    async def give_out(self, number: str, sha256: str) -> None:
        """Write down that a PDF of a bill is given out, unless it is known."""
        await self._connection.execute(
            self._insert(bill_files)
            .values(bill_number=number, sha256=sha256, given_out_at=self._clock())
            .on_conflict_do_nothing(index_elements=["bill_number", "sha256"])
        )

    async def readings(self, session_id: str) -> Evidence | None:
        """Return the fingerprint of a session's frames from before they were dropped."""
        row = (
            await self._connection.execute(
                select(frame_evidence).where(frame_evidence.c.session_id == session_id)
            )
        ).first()
        if row is None:
            return None
        return Evidence(
            frames=row.frames,
            first_ms=row.first_at,
            last_ms=row.last_at,
            sha256=row.sha256,
        )

    async def _one(self, where: ColumnElement[Any]) -> Proof | None:
        row = (
            await self._connection.execute(
                select(
                    bill_evidence.c.bill_number,
                    bill_evidence.c.ordinal,
                    bill_evidence.c.sha256,
                    bill_evidence.c.previous,
                    bill_evidence.c.link,
                ).where(where)
            )
        ).first()
        return None if row is None else Proof(**row._mapping)
