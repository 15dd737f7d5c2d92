"""What the use cases need from the world. Adapters implement these; tests may too.

Everything that reads or writes happens inside a ``UnitOfWork``: one request or one ingest batch
is one transaction. Queries that a person makes take a ``Viewer``: what the person may not see is
not found, whatever id is asked for.

A ``ReadUnitOfWork`` cannot commit. Use it wherever nothing is written: readers never wait.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.cdr import Cdr
from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.evidence import Evidence
from billing_service.domain.frame import NO_BOOT, Frame, SessionEvent
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.proof import BillEvidence, ChartPoint, Proof
from billing_service.domain.session import Session, SessionStatus
from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_choice import Assignment

type Clock = Callable[[], datetime]
"""Returns the time now, aware UTC."""


class Role(StrEnum):
    """What a user may do."""

    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who signs in. ``password_hash`` is argon2; it never leaves the service.

    Tokens issued before ``tokens_valid_from`` are void.
    """

    id: str
    name: str
    role: Role
    password_hash: str
    full_name: str = ""
    email: str | None = None
    address: tuple[str, ...] = ()
    active: bool = True
    tokens_valid_from: datetime | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One sign-in on one device, kept alive by refresh tokens that rotate.

    ``address`` is where it was last used from, ``client`` what the program says it is.
    """

    id: str
    user_id: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime
    address: str
    client: str
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Tell whether it was neither ended nor has expired."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token, known by its digest. ``replaces`` is the one it was given out for."""

    digest: str
    grant_id: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """A long-lived token for a program: its user's rights, narrowed to ``scopes``."""

    id: str
    user_id: str
    name: str
    digest: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """How a user is named on bills, where it differs from how they are known here.

    What is empty is the user's own. ``locale`` is what their bills are printed in.
    """

    user_id: str
    name: str = ""
    address: tuple[str, ...] = ()
    vat_id: str = ""
    email: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. A user sees their own; an admin all."""

    user_id: str
    role: Role

    @property
    def is_admin(self) -> bool:
        """Whether nothing is hidden from them."""
        return self.role is Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station that was heard or registered. ``info`` and ``state`` are its last messages.

    ``user_id`` is the one user who may use it; None: everyone who may sign in. One that is not
    ``accepted`` is kept apart: what it sends is stored, and metered once an admin accepts it.
    ``rating_set``: an admin has set ``max_power_w``, and what the station says of it is ignored.
    """

    id: str
    name: str
    time_zone: str
    max_power_w: int
    first_seen_at: datetime
    last_seen_at: datetime | None = None
    online: bool | None = None
    user_id: str | None = None
    info: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    accepted: bool = True
    rating_set: bool = False


class TokenType(StrEnum):
    """OCPI 2.2.1 TokenType."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingToken:
    """What a person shows to start a charge (OCPI Token); ``uid`` in upper case.

    ``visual_number`` is what is printed on it. One that is not ``valid`` is blocked.
    """

    uid: str
    type: TokenType
    user_id: str
    visual_number: str
    valid: bool
    last_updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareImage:
    """An ESP32 application image, as it describes itself. ``size`` in bytes."""

    sha256: str
    version: str
    project: str
    chip: str
    size: int
    uploaded_at: datetime


class UpdateStatus(StrEnum):
    """How far an update of a station's firmware has come."""

    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    INSTALLED = "INSTALLED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    NO_ANSWER = "NO_ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdate:
    """An image on its way to a station; ``id`` is the command's.

    ``error`` is the contract's, ``message`` a sentence. ``boot_before`` is the station's reboot
    counter when it was asked for.
    """

    id: str
    station_id: str
    sha256: str
    version: str
    status: UpdateStatus
    requested_at: datetime
    boot_before: int | None = None
    downloaded_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message that broke the contract, kept for inspection. ``payload`` may be cut."""

    received_at: datetime
    topic: str
    reason: str
    message: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A note, stored with new frames or events, that their session has to be metered again.

    ``session`` is None for frames of a station that names no sessions, "" for frames that say
    that none is under way. ``boot`` and ``seq`` are the lowest new ones (NO_BOOT, 0 for events);
    ``from_ms`` to ``to_ms`` the time they cover. ``id`` is the store's.
    """

    station_id: str
    session: str | None
    boot: int
    seq: int
    from_ms: int
    to_ms: int
    id: int = 0

    @property
    def of_event(self) -> bool:
        """Whether an event is new, not a frame."""
        return (self.boot, self.seq) == (NO_BOOT, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """Filters and paging of the session list; newest first."""

    station_id: str | None = None
    status: SessionStatus | None = None
    user_id: str | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None
    billed: bool | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BillQuery:
    """Filters and paging of the list of bills; newest first. ``issued_to`` is included."""

    kind: BillKind | None = None
    status: BillStatus | None = None
    user_id: str | None = None
    issued_from: date | None = None
    issued_to: date | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, when and from where, and how it was before and after."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Filters and paging of the audit log; newest first. ``since`` included, ``until`` not.

    ``before_id`` pages through a log that grows meanwhile: entries older than that one.
    """

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts to sign in were counted, and when the oldest of them was."""

    number: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a list and how long the whole list is."""

    items: tuple[T, ...]
    total: int


class Frames(Protocol):
    """Every frame exactly once."""

    async def add(self, frames: Sequence[Frame], received_at: datetime) -> list[Frame]:
        """Store those not stored before and return them, in the order given."""

    def of_session(
        self,
        station_id: str,
        station_session: str,
        *,
        after: tuple[int, int] | None = None,
    ) -> AsyncIterator[Frame]:
        """Yield a named session's frames in order of (boot, seq), those after ``after`` only."""

    def unnamed(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> AsyncIterator[Frame]:
        """Yield frames that name no session, from_ms <= at_ms <= to_ms, by (boot, seq)."""

    async def last(self, station_id: str) -> Frame | None:
        """Return the station's newest frame by (boot, seq)."""

    async def next_other(
        self, station_id: str, station_session: str, after: tuple[int, int]
    ) -> Frame | None:
        """Return the first frame after (boot, seq) that names another session or says none."""


class Marks(Protocol):
    """Which sessions wait to be metered: written with the frames, taken by metering."""

    async def add(self, marks: Sequence[Mark]) -> None:
        """Store them."""

    async def waiting(self) -> list[str]:
        """Return the accepted stations that have marks."""

    async def crowded(self, most: int) -> list[str]:
        """Return the stations kept apart that have more than so many marks."""

    async def take(self, station_id: str) -> list[Mark]:
        """Remove and return a station's marks, in order of id.

        Empty when there are none, or another process is metering this station: until the
        transaction ends the station is this one's.
        """

    async def hold(self, station_id: str) -> None:
        """Wait until no other process meters this station; keep it so until the transaction ends."""


class RejectedMessages(Protocol):
    """Messages that broke the contract."""

    async def add(self, rejected: Iterable[Rejected]) -> None:
        """Keep them."""

    async def counts(self) -> dict[str, int]:
        """Return how many are kept, by reason."""

    async def page(self, *, limit: int, offset: int) -> Page[Rejected]:
        """Return the newest first."""


class SessionEvents(Protocol):
    """The stations' plug-in, unplug, start and end events, each once."""

    async def add(
        self, events: Sequence[SessionEvent], received_at: datetime
    ) -> list[SessionEvent]:
        """Store those not stored before and return them."""

    async def of_session(
        self, station_id: str, station_session: str
    ) -> list[SessionEvent]:
        """Return a session's events in order of time."""


class Stations(Protocol):
    """Stations heard or registered."""

    async def get(self, station_id: str, *, hold: bool = False) -> Station | None:
        """Return one, or None."""

    async def save(self, station: Station) -> None:
        """Insert or replace."""

    async def hear(self, station: Station) -> None:
        """Insert, or replace what the station itself says; what an admin set stays."""

    async def set_up(self, station: Station) -> None:
        """Replace what an admin sets; what the station says stays."""

    async def pending(self) -> list[Station]:
        """Return those that wait to be accepted, by when they were first heard."""

    async def one(self, station_id: str, viewer: Viewer) -> Station:
        """Return one the viewer may use. Raises NotFound, also for another's station.

        For an admin also one that is not accepted.
        """

    async def visible(self, viewer: Viewer) -> list[Station]:
        """Return the accepted ones that the viewer may use, by id."""

    async def claim(self, station_id: str, user_id: str, at: datetime) -> None:
        """Remember who started a charge there until its session appears; the last one counts."""

    async def take_claim(self, station_id: str, since: datetime) -> str | None:
        """Return and forget who started a charge there since then, None if no one did.

        Whoever stores a new session asks this for its driver.
        """


class Sessions(Protocol):
    """Sessions and their derived charging periods."""

    async def get(self, session_id: str, viewer: Viewer) -> Session:
        """Return one. Raises NotFound, also for another's session."""

    async def named(self, station_id: str, station_session: str) -> Session | None:
        """Return the session a station calls so."""

    async def open_at(self, station_id: str) -> list[Session]:
        """Return the station's sessions that are PENDING or ACTIVE, oldest first."""

    async def all_open(self) -> list[Session]:
        """Return all sessions that are PENDING or ACTIVE."""

    async def inferred_near(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> list[Session]:
        """Return INFERRED sessions that overlap the stretch, oldest first."""

    async def ended_by_frames(self, station_id: str, from_ms: int) -> list[Session]:
        """Return named sessions without an end event (``end_reason`` None) that ended since."""

    async def page(self, query: SessionQuery, viewer: Viewer) -> Page[Session]:
        """Return one page, newest first."""

    async def stretch(
        self,
        viewer: Viewer,
        *,
        started_from: datetime | None,
        started_to: datetime | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Session]:
        """Return the next of the viewer's sessions after (started_at, id), oldest first."""

    async def unbilled(
        self, started_from: datetime, started_to: datetime, *, user_id: str | None
    ) -> list[Session]:
        """Return sessions without a bill that began then (end excluded), oldest first.

        ``user_id`` None: everyone's, and those that nobody drove.
        """

    async def save(self, session: Session) -> None:
        """Insert or replace, the frozen tariff included.

        The driver and the bill of a stored session stay as they are: ``assign`` and
        ``Bills.issue`` change those, perhaps while a session is being metered.
        """

    async def assign(self, session_id: str, user_id: str | None) -> None:
        """Set whose session it is. The caller has checked that it may."""

    async def driverless(self, token: str) -> list[str]:
        """Return the ids of unbilled sessions that a token started and that are nobody's."""

    async def save_periods(
        self, session_id: str, periods: Sequence[ChargingPeriod]
    ) -> None:
        """Replace the session's periods."""

    async def periods(self, session_id: str) -> list[ChargingPeriod]:
        """Return the session's periods in order."""

    async def delete(self, session_id: str) -> None:
        """Remove a session and its periods; its frames stay. The caller has checked that it may."""


class ChargingTokens(Protocol):
    """Tokens that people start charges with; uids are compared without case."""

    async def all(self) -> list[ChargingToken]:
        """Return all, by uid."""

    async def get(self, uid: str) -> ChargingToken:
        """Return one. Raises NotFound."""

    async def user_of(self, uid: str) -> str | None:
        """Return the active user of a valid token, None for any other."""

    async def add(self, token: ChargingToken) -> None:
        """Store a new one. Raises Conflict when there is one with its uid."""

    async def save(self, token: ChargingToken) -> None:
        """Replace."""

    async def delete(self, uid: str) -> None:
        """Remove; sessions keep their drivers."""


class Firmware(Protocol):
    """Firmware images, and updates of stations."""

    async def images(self) -> list[FirmwareImage]:
        """Return all, the newest first, without their content."""

    async def add(self, image: FirmwareImage, content: bytes) -> None:
        """Store an image; one that is there stays."""

    async def content(self, sha256: str) -> bytes:
        """Return an image's bytes. Raises NotFound."""

    async def add_update(self, new: FirmwareUpdate, ticket_digest: str) -> None:
        """Store a new update with its ticket's digest."""

    async def update(self, update_id: str) -> FirmwareUpdate | None:
        """Return one; until the transaction ends nobody else changes it."""

    async def by_ticket(self, ticket_digest: str) -> FirmwareUpdate | None:
        """Return the one that a ticket was made for, likewise."""

    async def of_station(self, station_id: str) -> list[FirmwareUpdate]:
        """Return a station's newest fifty, the newest first."""

    async def any_without_outcome(self, since: datetime) -> bool:
        """Return whether ``without_outcome`` has any."""

    async def without_outcome(self, since: datetime) -> list[FirmwareUpdate]:
        """Return those requested since then that may still end; until then they are ours."""

    async def save(self, changed: FirmwareUpdate) -> None:
        """Replace."""


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

    async def hidden_from(self, viewer: Viewer) -> set[str]:
        """Return the tariffs that were never meant for the viewer; none for an admin."""

    async def assignments(self) -> list[Assignment]:
        """Return all, ended ones too, the last begun first."""

    async def save_assignment(self, assignment: Assignment) -> None:
        """Insert or replace."""

    async def all(self) -> list[Tariff]:
        """Return the newest version of each, by id."""


class Bills(Protocol):
    """Issued bills and the CDRs they rest on."""

    async def issue(
        self,
        session: Session,
        cdr: Cdr,
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Take the next number, make the bill with it and store both, in this transaction.

        Numbers read ``{series}{year}-{ordinal}``. Raises SessionBilled when the session has a
        bill already. A rolled-back transaction gives the number back, so that numbers have no
        gap.
        """

    async def issue_collective(
        self,
        rated: Sequence[tuple[Session, Cdr]],
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Like ``issue``, for one bill over several sessions of one driver."""

    async def credit(
        self,
        record: BillRecord,
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
        reason: str,
    ) -> Bill:
        """Take a bill back: number and store its credit note and free its sessions.

        Raises Conflict when it was taken back already.
        """

    async def pay(self, number: str, *, paid_on: date, reference: str) -> None:
        """Note that a bill was paid. Raises Conflict when that is noted already."""

    async def get(self, number: str, viewer: Viewer) -> BillRecord:
        """Return one. Raises NotFound, also for another's bill."""

    async def page(self, query: BillQuery, viewer: Viewer) -> Page[BillRecord]:
        """Return one page, newest first."""

    async def stretch(
        self,
        viewer: Viewer,
        *,
        issued_from: date | None,
        issued_to: date | None,
        after: tuple[date, str] | None,
        limit: int,
    ) -> list[BillRecord]:
        """Return the next of the viewer's bills after (issued_on, number), oldest first."""

    async def cdrs(self, number: str) -> dict[str, Cdr]:
        """Return the CDRs a bill rests on, by session id."""

    async def of_session(self, session_id: str) -> Bill | None:
        """Return the session's bill."""

    async def cdr(self, session_id: str) -> Cdr | None:
        """Return the CDR the session's bill rests on."""


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

    async def readings(self, session_id: str) -> Evidence | None:
        """Return the fingerprint of a session's frames that was taken before they were dropped."""


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


class Customers(Protocol):
    """How users are named on bills."""

    async def get(self, user_id: str) -> Customer:
        """Return what was set for a user; nothing but their id when nothing was."""

    async def save(self, customer: Customer) -> None:
        """Insert or replace."""


class Users(Protocol):
    """People who sign in."""

    async def by_name(self, name: str) -> User | None:
        """Return one, whatever the case of the name."""

    async def get(self, user_id: str) -> User | None:
        """Return one."""

    async def add(self, user: User) -> None:
        """Store a new one. Raises Conflict when the name is taken."""

    async def save(self, user: User) -> None:
        """Replace."""

    async def all(self) -> list[User]:
        """Return all, by name."""

    async def erase_traces(self, user_id: str) -> None:
        """Forget a user's tokens, sign-ins, claims, and what links them to unbilled sessions."""

    async def any_admin(self) -> bool:
        """Return whether an active admin exists."""


class SignIns(Protocol):
    """Attempts to sign in, counted across processes. ``account`` is a digest of the name."""

    async def attempts(
        self, *, account: str, address: str, since: datetime
    ) -> tuple[Attempts, Attempts]:
        """Return the attempts since then on the account, and from the address."""

    async def add(self, *, account: str, address: str, at: datetime) -> None:
        """Count one."""

    async def forgive(self, *, account: str, address: str) -> None:
        """Forget the account's attempts from the address: its owner has signed in."""

    async def purge(self, before: datetime) -> None:
        """Forget what is too old to count."""


class Grants(Protocol):
    """Who is signed in where."""

    async def get(self, grant_id: str) -> Grant | None:
        """Return one."""

    async def hold(self, grant_id: str) -> Grant | None:
        """Return one, and let nobody else change it until the transaction ends."""

    async def of_user(self, user_id: str) -> list[Grant]:
        """Return a user's grants that still hold, the last used first."""

    async def save(self, grant: Grant) -> None:
        """Insert or replace."""

    async def by_token(self, digest: str) -> RefreshToken | None:
        """Return a refresh token."""

    async def newest_token(self, grant_id: str) -> RefreshToken | None:
        """Return the last one given out for a grant."""

    async def save_token(self, token: RefreshToken) -> None:
        """Insert or replace."""

    async def revoke(
        self, at: datetime, *, user_id: str | None = None, grant_id: str | None = None
    ) -> int:
        """End one grant, or all of a user; return how many held."""

    async def purge(self, before: datetime) -> None:
        """Forget grants that expired or were ended before."""


class ServiceTokens(Protocol):
    """Tokens of programs."""

    async def by_digest(self, digest: str) -> ServiceToken | None:
        """Return one."""

    async def visible(self, viewer: Viewer) -> list[ServiceToken]:
        """Return the viewer's own, an admin's are all; the newest first."""

    async def one(self, token_id: str, viewer: Viewer) -> ServiceToken:
        """Return one. Raises NotFound, also for another's."""

    async def add(self, token: ServiceToken) -> None:
        """Store a new one."""

    async def used(self, token_id: str, at: datetime) -> None:
        """Remember when it was last used."""

    async def delete(self, token_id: str) -> None:
        """Forget one."""

    async def delete_of(self, user_id: str) -> int:
        """Forget all of a user; return how many there were."""


class Audit(Protocol):
    """The append-only log of what admins and the system did."""

    async def add(
        self,
        *,
        at: datetime,
        actor: str,
        action: str,
        subject: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        address: str | None = None,
    ) -> None:
        """Append one entry."""

    async def page(self, query: AuditQuery) -> Page[AuditEntry]:
        """Return one page, newest first. The caller has checked that the asker is an admin."""

    async def facts(self, action: str, subject: str) -> list[dict[str, Any]]:
        """Return what the entries of an action say of a subject afterwards, oldest first."""


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
    def tariffs(self) -> Tariffs:
        """See ``Tariffs``."""

    @property
    def bills(self) -> Bills:
        """See ``Bills``."""

    @property
    def customers(self) -> Customers:
        """See ``Customers``."""

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


class CommandSender(Protocol):
    """Sends a command of the contract to a station and waits for its result."""

    async def send(
        self,
        station_id: str,
        command: str,
        value: object = None,
        *,
        command_id: str | None = None,
    ) -> None:
        """Return when the station said ok. Raises CommandRefused or StationSilent."""


class BillRenderer(Protocol):
    """Turns a bill's numbers into a document; does no arithmetic on them."""

    def __call__(
        self, bill: Bill, chart: Sequence[ChartPoint], sha256: str | None = None
    ) -> bytes:
        """Return a PDF. ``sha256`` is the hash over the bill's evidence, printed and embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUpdate:
    """What a listener of a running session hears. Money and energies are strings on the wire."""

    session: Session
    frame: Frame | None
    running_cost: Cdr | None


class Leases(Protocol):
    """Says which stations are this process's to meter."""

    async def hold(self, station_id: str) -> bool:
        """Return whether the station is ours, taking it if it is nobody's."""


class LiveBus(Protocol):
    """Carries live updates from ingest to listeners."""

    def wanted(self, session_id: str) -> bool:
        """Return whether anyone may be listening, so that no work is done for nobody."""

    def publish(self, update: LiveUpdate) -> None:
        """Hand an update to whoever listens; never waits."""

    def listen(
        self, session_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[LiveUpdate]]:
        """Receive a session's updates until the block is left."""
