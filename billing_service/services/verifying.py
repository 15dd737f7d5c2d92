"""What is proven of a bill, and what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from billing_service.domain.bill import Bill, BillKind, BillRecord
from billing_service.domain.errors import DomainError, NotFound
from billing_service.domain.proof import (
    FIRST_LINK,
    BillEvidence,
    Differs,
    Proof,
    recomputed,
    sha256_of,
)
from billing_service.services.evidence import readings_of
from billing_service.services.issuing import EVERYTHING
from billing_service.services.ports import (
    BillFile,
    BillRenderer,
    OpenReadUnitOfWork,
    ReadUnitOfWork,
)


class Outcome(StrEnum):
    """What came of looking at one thing."""

    PROVEN = "proven"
    NOT_PROVEN = "not_proven"
    FAILED = "failed"


class Sentence(StrEnum):
    """What is said to whoever holds a bill, in English; with braces where facts go."""

    UNCHANGED = "The bill and its evidence have not been changed since it was issued."
    CHANGED = "The bill or its evidence has been changed since it was issued."
    SAME_RATING = "Metered energy, tariff and rating, computed again, give the same lines and totals."
    SAME_SUMS = "The amounts, added up again, give the same totals."
    OTHER_NUMBERS = "Computed again, the numbers come out otherwise."
    OTHER_SOLAR_ENERGY = "The solar energy of session {place} differs."
    OTHER_GRID_ENERGY = "The grid energy of session {place} differs."
    OTHER_RATING = "The rating of session {place} differs."
    OTHER_LINES = "The lines of session {place} differ."
    OTHER_SUM = "The sum of session {place} differs."
    OTHER_TOTALS = "The totals differ."
    NO_NUMBERS = "The evidence cannot be rated: it was changed into what cannot be."
    LOGGED = "The audit log noted the same hash when the bill was issued."
    NOT_LOGGED = "The audit log does not have this hash."
    CHAINED = "The bill stands at place {place} of the chain of all bills, between its neighbours."
    UNCHAINED = "The chain of bills is broken at this bill."
    NO_READINGS = "A credit note has no readings of its own; its bill has."
    READINGS = (
        "The {count} readings of the meter themselves: only their fingerprint is part of the "
        "evidence. `solarrally verify` compares those that are still stored."
    )
    DOCUMENT = (
        "That the paper or file in your hand says the same: compare its number, date and "
        "total with these, or give the file to `solarrally verify`."
    )
    METER = (
        "That the meter measured rightly: its readings carry no signature of its own."
    )
    DRIVER = "Who charged: a session belongs to the person that it was assigned to."
    OPERATOR = "That nobody rewrote the whole chain: who noted a later link elsewhere would see it."


_OTHER = {
    Differs.SOLAR_ENERGY: Sentence.OTHER_SOLAR_ENERGY,
    Differs.GRID_ENERGY: Sentence.OTHER_GRID_ENERGY,
    Differs.RATING: Sentence.OTHER_RATING,
    Differs.LINES: Sentence.OTHER_LINES,
    Differs.SUM: Sentence.OTHER_SUM,
    Differs.TOTALS: Sentence.OTHER_TOTALS,
}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and its facts; one of Sentence where it is said in other languages too."""

    text: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def english(self) -> str:
        """The sentence, in English."""
        return self.text.format_map(self.facts) if self.facts else self.text


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``name`` is stable, ``said`` for people."""

    name: str
    outcome: Outcome
    said: tuple[Said, ...]

    @property
    def sentence(self) -> str:
        """What came of it, in English."""
        return " ".join(each.english for each in self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is proven of a bill. It names nobody: who holds the bill knows whose it is."""

    sha256: str
    number: str
    kind: BillKind
    issued_on: date
    currency: str
    total: Decimal
    energy_wh: Decimal
    credited_by: str | None
    locale: str
    files: tuple[BillFile, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        """Whether anything is not as it was."""
        return any(check.outcome is Outcome.FAILED for check in self.checks)


class Verifying:
    """Says what is proven of a bill by the hash of its evidence, or by its PDF."""

    def __init__(self, open_read: OpenReadUnitOfWork, render: BillRenderer) -> None:
        """Take what it works with."""
        self._open_read = open_read
        self._render = render

    async def check(self, sha256: str) -> Verdict:
        """Look at a bill's evidence, its numbers and its place in the chain. Raises NotFound."""
        async with self._open_read() as read:
            proof, record, evidence, checks = await _look(read, sha256)
            checks.append(await _neighbours(read, proof))
            files = await read.proofs.files(proof.bill_number)
        checks += [
            _readings_kept(evidence),
            _one("document", Outcome.NOT_PROVEN, Sentence.DOCUMENT),
            *_NEVER,
        ]
        return _verdict(proof, record, files, checks)

    async def check_document(self, sha256: str, document: bytes) -> Verdict:
        """Look at a bill's PDF too, at the whole chain, and at the readings that are left.

        Raises NotFound.
        """
        async with self._open_read() as read:
            proof, record, evidence, checks = await _look(read, sha256)
            checks += [
                await _chain(read, proof),
                await _readings(read, record.bill, evidence),
            ]
            files = await read.proofs.files(proof.bill_number)
        printed = self._render(record.bill, evidence.chart, sha256)
        checks.append(_document(document, printed, files))
        return _verdict(proof, record, files, [*checks, *_NEVER])


async def _look(
    read: ReadUnitOfWork, sha256: str
) -> tuple[Proof, BillRecord, BillEvidence, list[Check]]:
    proof = await read.proofs.by_hash(sha256)
    if proof is None:
        raise NotFound("No bill with this hash was issued here.")
    record = await read.bills.get(proof.bill_number, EVERYTHING)
    document = await read.proofs.document(proof.bill_number)
    assert document is not None
    try:
        evidence = await read.proofs.evidence(proof.bill_number)
        assert evidence is not None
    except ValueError:
        # It was changed into what cannot be read: its hash says so below.
        evidence = BillEvidence(bill=record.bill)
    unchanged = sha256_of(document) == sha256 and evidence.bill == record.bill
    logged = await _logged(read, record, proof)
    return (
        proof,
        record,
        evidence,
        [
            _check(
                "evidence",
                unchanged,
                Sentence.UNCHANGED,
                Sentence.CHANGED,
            ),
            _numbers(evidence),
            _check("audit", logged, Sentence.LOGGED, Sentence.NOT_LOGGED),
        ],
    )


def _numbers(evidence: BillEvidence) -> Check:
    """Compute the bill again and say whether the same comes out."""
    try:
        different = recomputed(evidence)
    except ValueError, ArithmeticError, DomainError:
        return _one("numbers", Outcome.FAILED, Sentence.NO_NUMBERS)
    if not different:
        right = Sentence.SAME_RATING if evidence.sessions else Sentence.SAME_SUMS
        return _one("numbers", Outcome.PROVEN, right)
    what = [Said(_OTHER[each.what], {"place": each.place}) for each in different]
    return Check("numbers", Outcome.FAILED, (Said(Sentence.OTHER_NUMBERS), *what))


async def _logged(read: ReadUnitOfWork, record: BillRecord, proof: Proof) -> bool:
    bill = record.bill
    if bill.kind is BillKind.CREDIT_NOTE:
        entries = await read.audit.facts("bill.credit", f"bill:{bill.corrects}")
    else:
        entries = await read.audit.facts("bill.issue", f"bill:{bill.number}")
    return any(
        (entry.get("evidence"), entry.get("link")) == (proof.sha256, proof.link)
        for entry in entries
    )


async def _neighbours(read: ReadUnitOfWork, proof: Proof) -> Check:
    before = await read.proofs.at(proof.ordinal - 1)
    after = await read.proofs.at(proof.ordinal + 1)
    previous = FIRST_LINK if before is None else before.link
    fits = (
        proof.holds
        and proof.previous == previous
        and (before is not None or proof.ordinal == 1)
        and (after is None or (after.holds and after.previous == proof.link))
    )
    return _check(
        "chain",
        fits,
        Sentence.CHAINED,
        Sentence.UNCHAINED,
        place=proof.ordinal,
    )


async def _chain(read: ReadUnitOfWork, proof: Proof) -> Check:
    """Follow the whole chain: every link, and every bill's evidence."""
    previous, ordinal, broken = FIRST_LINK, 0, None
    while (link := await read.proofs.at(ordinal + 1)) is not None:
        ordinal += 1
        document = await read.proofs.document(link.bill_number) or ""
        if (
            not link.holds
            or link.previous != previous
            or sha256_of(document) != link.sha256
        ):
            broken = broken or link.bill_number
        previous = link.link
    return _check(
        "chain",
        broken is None and ordinal >= proof.ordinal,
        f"The chain of all {ordinal} bills is whole; its last link is {previous}.",
        f"The chain of bills is broken at {broken or f'place {ordinal + 1}'}.",
    )


async def _readings(read: ReadUnitOfWork, bill: Bill, evidence: BillEvidence) -> Check:
    if not evidence.sessions:
        return _readings_kept(evidence)
    changed, dropped = [], []
    for each in evidence.sessions:
        session = await read.sessions.get(each.session_id, EVERYTHING)
        now = await readings_of(read, session)
        if now != each.readings:
            changed.append(each.session_id)
        if await read.proofs.readings(each.session_id) is not None:
            dropped.append(each.session_id)
    if changed:
        return _one(
            "readings",
            Outcome.NOT_PROVEN,
            "Readings of these sessions came, or went, after the bill was issued: "
            + ", ".join(changed),
        )
    if dropped:
        return _one(
            "readings",
            Outcome.NOT_PROVEN,
            "The readings are past their retention. Their fingerprint is unchanged: who has them "
            "elsewhere, as on the station's card, can compare.",
        )
    count = sum(each.readings.frames for each in evidence.sessions)
    return _one(
        "readings",
        Outcome.PROVEN,
        f"All {count} readings that bill {bill.number} rests on are there, unchanged.",
    )


def _readings_kept(evidence: BillEvidence) -> Check:
    count = sum(each.readings.frames for each in evidence.sessions)
    sentence = Sentence.READINGS if evidence.sessions else Sentence.NO_READINGS
    return _one("readings", Outcome.NOT_PROVEN, sentence, count=count)


def _one(name: str, outcome: Outcome, text: str, **facts: object) -> Check:
    return Check(name, outcome, (Said(text, facts),))


def _check(name: str, well: bool, proven: str, failed: str, **facts: object) -> Check:
    if well:
        return _one(name, Outcome.PROVEN, proven, **facts)
    return _one(name, Outcome.FAILED, failed, **facts)


def _document(document: bytes, printed: bytes, files: Sequence[BillFile]) -> Check:
    """Say whether a file is the bill: as it is printed today, or as it once was given out."""
    if document == printed:
        return _one("document", Outcome.PROVEN, "The file is the bill, byte for byte.")
    sha256 = sha256_of(document)
    given = next((each for each in files if each.sha256 == sha256), None)
    if given is not None:
        return _one(
            "document",
            Outcome.PROVEN,
            "The file is one that this service gave out, byte for byte, first on "
            f"{given.given_out_at:%Y-%m-%d}; today it prints the bill in another layout.",
        )
    return _one(
        "document",
        Outcome.FAILED,
        "The file carries this bill's hash, but it is neither what the service prints nor a file "
        "that it noted when it gave it out: nothing that it says of amounts, energy, dates and "
        "names is proven. What is said above is of the bill that was issued, not of this file.",
    )


def _verdict(
    proof: Proof,
    record: BillRecord,
    files: Sequence[BillFile],
    checks: Sequence[Check],
) -> Verdict:
    bill = record.bill
    return Verdict(
        sha256=proof.sha256,
        number=bill.number,
        kind=bill.kind,
        issued_on=bill.issued_on,
        currency=bill.currency,
        total=bill.total,
        energy_wh=bill.energy_wh,
        credited_by=record.credited_by,
        locale=bill.locale,
        files=tuple(files),
        checks=tuple(checks),
    )


_NEVER = (
    _one("meter", Outcome.NOT_PROVEN, Sentence.METER),
    _one("driver", Outcome.NOT_PROVEN, Sentence.DRIVER),
    _one("operator", Outcome.NOT_PROVEN, Sentence.OPERATOR),
)
