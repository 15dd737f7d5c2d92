"""What can be wrong, in words a user can act on.

    DomainError
    ├── FrameRejected        a message that breaks the wire contract
    ├── TariffInvalid        a tariff that cannot be right
    ├── CdrInvalid           what was used cannot be read
    ├── NoTariff             a session that no tariff covers
    ├── CurrencyMismatch     amounts of two currencies were mixed
    ├── InvalidInput         what was given cannot be used
    ├── NotFound             no such thing, or none this user may see
    ├── NotSignedIn          no valid sign-in
    ├── NotAllowed           the user lacks the role
    ├── TooManyAttempts      signing in was tried too often
    ├── Conflict             what is asked contradicts what is
    │   ├── SessionBilled    a billed session cannot be changed
    │   ├── SessionOpen      a session that is under way cannot be billed or deleted
    │   ├── UnbilledSessions sessions of a person to erase have no bill
    │   ├── StationInUse     another user charges there
    │   ├── StationPending   an admin has not accepted the station yet
    │   ├── UpdateRunning    the station's firmware is being updated already
    │   ├── NoDriver         a session without a driver cannot be billed
    │   ├── LastAdmin        without this one nobody could administer
    │   └── CommandRefused   a station refused a command
    ├── UploadRefused        a file cannot be read
    │   └── UploadTooLarge   a file passed a limit
    ├── StationSilent        a station did not answer in time
    └── StoreUnavailable     the database cannot be reached now

Each carries a stable ``code`` that clients may match on, and a sentence for people.
"""

from collections.abc import Iterable
from typing import ClassVar


class DomainError(Exception):
    """Base of all errors the domain raises on purpose."""

    code: ClassVar[str] = "domain_error"

    def __init__(self, message: str) -> None:
        """Keep the sentence that a person is shown."""
        super().__init__(message)
        self.message = message


class FrameRejected(DomainError):
    """A message that breaks the wire contract; ``reason`` is one of the contract's reasons."""

    code = "frame_rejected"

    def __init__(self, reason: str, message: str) -> None:
        """Keep the contract's reason beside the sentence."""
        super().__init__(message)
        self.reason = reason


class TariffInvalid(DomainError):
    """A tariff that cannot be right; ``problems`` are (JSON path, sentence) pairs."""

    code = "tariff_invalid"

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        """Keep every problem, so that all can be mended at once."""
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems


class CdrInvalid(DomainError):
    """What was used in a session cannot be read; ``problems`` are (JSON path, sentence) pairs."""

    code = "cdr_invalid"

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        """Keep every problem, so that all can be mended at once."""
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{path}: {text}" for path, text in self.problems))


class NoTariff(DomainError):
    """No tariff covers the session: an error, never a price of zero."""

    code = "no_tariff"


class CurrencyMismatch(DomainError):
    """Amounts of two currencies were added or compared."""

    code = "currency_mismatch"


class InvalidInput(DomainError):
    """What was given cannot be used; ``problems`` are (field, sentence) pairs."""

    code = "invalid_input"

    def __init__(self, *problems: tuple[str, str]) -> None:
        """Keep every problem, so that all can be mended at once."""
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems))
        self.problems = problems


class NotFound(DomainError):
    """There is no such thing, or none that this user may see."""

    code = "not_found"


class NotSignedIn(DomainError):
    """Name and password do not match, or a token is missing, expired, forged or void."""

    code = "not_signed_in"


class TooManyAttempts(DomainError):
    """Signing in was tried too often; it may be tried again after ``retry_after_s``."""

    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        """Keep when to try again."""
        super().__init__(
            f"Too many attempts to sign in. Try again in {retry_after_s} s."
        )
        self.retry_after_s = retry_after_s


class NotAllowed(DomainError):
    """The user's role does not allow this."""

    code = "not_allowed"


class Conflict(DomainError):
    """What is asked contradicts what already is."""

    code = "conflict"


class SessionBilled(Conflict):
    """A session with an issued bill cannot be changed or deleted."""

    code = "session_billed"


class SessionOpen(Conflict):
    """A session that is under way cannot be billed or deleted."""

    code = "session_open"


class UnbilledSessions(Conflict):
    """A person with sessions that were not billed is not erased by mistake."""

    code = "unbilled_sessions"


class StationInUse(Conflict):
    """Another user charges at the station."""

    code = "station_in_use"


class StationPending(Conflict):
    """The station was heard, and no admin has accepted it yet."""

    code = "station_pending"


class UpdateRunning(Conflict):
    """The station's firmware is being updated already."""

    code = "update_running"


class NoDriver(Conflict):
    """A session without a driver has nobody to bill."""

    code = "no_driver"


class LastAdmin(Conflict):
    """The last active admin cannot be demoted or deactivated."""

    code = "last_admin"


class CommandRefused(Conflict):
    """A station refused a command; ``error`` is the contract's error code."""

    code = "command_refused"

    def __init__(self, error: str, message: str) -> None:
        """Keep the station's error beside the sentence."""
        super().__init__(message)
        self.error = error


class StationSilent(DomainError):
    """A station did not answer a command in time."""

    code = "station_silent"


class StoreUnavailable(DomainError):
    """The database cannot be reached now; trying again later may help."""

    code = "store_unavailable"


class UploadRefused(DomainError):
    """A file cannot be read; what was read before stands."""

    code = "upload_refused"


class UploadTooLarge(UploadRefused):
    """A file passed a limit on its bytes, its lines or what it unpacks to."""

    code = "too_large"
