"""What a bill rests on, and how its hash stands in a chain.

The evidence is written down once, when a bill is issued, and never again: its SHA-256 is printed
on the bill. The hashes of all bills are chained in the order of issue, so that none can be
changed, left out or put in without changing every link after it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from billing_service.domain.bill import Bill, BilledSession
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


class Differs(StrEnum):
    """What of a bill may come out otherwise when it is computed again."""

    SOLAR_ENERGY = "solar_energy"
    GRID_ENERGY = "grid_energy"
    RATING = "rating"
    LINES = "lines"
    SUM = "sum"
    TOTALS = "totals"


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that differs; ``place`` is its session's on the bill, from 1: it names nobody."""

    what: Differs
    place: int | None = None


def recomputed(evidence: BillEvidence) -> list[Difference]:
    """Rate and bill the evidence again; return what differs."""
    bill = evidence.bill
    proofs = {each.session_id: each for each in evidence.sessions}
    found = [
        Difference(what, place)
        for place, billed in enumerate(bill.sessions, start=1)
        if (proof := proofs.get(billed.session_id)) is not None
        for what in _session_differs(billed, proof)
    ]
    lines = [line for session in bill.sessions for line in session.lines]
    again = vat_lines(lines, bill.currency, tax_included=bill.tax_included)
    sums = (
        sum((line.net for line in again), Decimal(0)),
        sum((line.vat for line in again), Decimal(0)),
        sum((line.gross for line in again), Decimal(0)),
    )
    if again != bill.vat_lines or sums != (bill.net, bill.vat, bill.total):
        found.append(Difference(Differs.TOTALS))
    return found


def _session_differs(
    billed: BilledSession, proof: SessionEvidence
) -> Iterator[Differs]:
    cdr = rate(
        proof.periods,
        proof.tariff,
        billed.time_zone,
        started_at=billed.started_at,
        ended_at=billed.ended_at,
    )
    for what, source, wh in (
        (Differs.SOLAR_ENERGY, Source.SOLAR, billed.solar_wh),
        (Differs.GRID_ENERGY, Source.GRID, billed.grid_wh),
    ):
        energy = sum(
            (p.energy_wh for p in proof.periods if p.source is source), Decimal(0)
        )
        if energy != wh:
            yield what
    if cdr != proof.cdr:
        yield Differs.RATING
    if bill_lines(cdr) != billed.lines:
        yield Differs.LINES
    if sum((line.amount for line in billed.lines), Decimal(0)) != billed.amount:
        yield Differs.SUM
