"""What a bill rests on, and how its hash stands in a chain.

The evidence is written down once, when a bill is issued, and never again: its SHA-256 is printed
on the bill. The hashes of all bills are chained in the order of issue, so that none can be
changed, left out or put in without changing every link after it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing_service.domain.bill import Bill
from billing_service.domain.billing import bill_lines, vat_lines
from billing_service.domain.cdr import Cdr
from billing_service.domain.evidence import Evidence
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.rating import rate
from billing_service.domain.tariff import Tariff

FIRST_LINK = "0" * 64
"""What stands before the first link of the chain."""


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """Mean power by source at an instant, for the bill's chart. W."""

    at: datetime
    solar_w: float
    grid_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvidence:
    """What a session on a bill rests on.

    ``readings`` is the fingerprint of its frames when the bill was issued, ``metered`` how many of
    them had been metered.
    """

    session_id: str
    station_session: str
    readings: Evidence
    metered: int
    periods: tuple[ChargingPeriod, ...]
    tariff: Tariff
    cdr: Cdr


@dataclass(frozen=True, slots=True, kw_only=True)
class BillEvidence:
    """Everything that a bill's numbers follow from; a credit note's follow from its bill's."""

    bill: Bill
    sessions: tuple[SessionEvidence, ...] = ()
    chart: tuple[ChartPoint, ...] = ()
    corrects_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A bill's place in the chain: SHA-256 of its evidence, and of all before it, in hex."""

    bill_number: str
    ordinal: int
    sha256: str
    previous: str
    link: str

    @property
    def holds(self) -> bool:
        """Whether the link follows from what it joins."""
        return self.link == link_of(self.previous, self.bill_number, self.sha256)


def sha256_of(document: str | bytes) -> str:
    """Return the SHA-256 of a file, or of a text in UTF-8, in hex."""
    data = document.encode() if isinstance(document, str) else document
    return hashlib.sha256(data).hexdigest()


def link_of(previous: str, bill_number: str, sha256: str) -> str:
    """Return the next link: SHA-256 of ``previous|number|sha256``."""
    return sha256_of(f"{previous}|{bill_number}|{sha256}")


def recomputed(evidence: BillEvidence) -> list[str]:
    """Rate and bill the evidence again; return a sentence for each number that differs."""
    bill = evidence.bill
    found: list[str] = []
    proofs = {each.session_id: each for each in evidence.sessions}
    for billed in bill.sessions:
        proof = proofs.get(billed.session_id)
        if proof is None:
            continue
        cdr = rate(
            proof.periods,
            proof.tariff,
            billed.time_zone,
            started_at=billed.started_at,
            ended_at=billed.ended_at,
        )
        for source, wh in (
            (Source.SOLAR, billed.solar_wh),
            (Source.GRID, billed.grid_wh),
        ):
            energy = sum(
                (p.energy_wh for p in proof.periods if p.source is source), Decimal(0)
            )
            if energy != wh:
                found.append(f"The {source} energy of {billed.session_id} differs.")
        if cdr != proof.cdr:
            found.append(f"The rating of {billed.session_id} differs.")
        if bill_lines(cdr) != billed.lines:
            found.append(f"The lines of {billed.session_id} differ.")
        if sum((line.amount for line in billed.lines), Decimal(0)) != billed.amount:
            found.append(f"The sum of {billed.session_id} differs.")
    lines = [line for session in bill.sessions for line in session.lines]
    again = vat_lines(lines, bill.currency, tax_included=bill.tax_included)
    sums = (
        sum((line.net for line in again), Decimal(0)),
        sum((line.vat for line in again), Decimal(0)),
        sum((line.gross for line in again), Decimal(0)),
    )
    if again != bill.vat_lines or sums != (bill.net, bill.vat, bill.total):
        found.append("The totals differ.")
    return found
