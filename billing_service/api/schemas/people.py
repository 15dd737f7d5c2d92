"""Who signs in, with what, and who there is."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    Field,
    SecretStr,
)

from billing_service import patterns
from billing_service.api.schemas.base import Group, In, Line, Out
from billing_service.services.ports import Role, ServiceToken


class TokenOut(Out):
    """An access token (RFC 6749, 5.1), and what the next one is asked for with, once."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 -- its kind, not its value
    expires_in: int = Field(description="seconds")
    refresh_token: str


class SignInOut(Out):
    """Where a user is signed in."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    client: str
    current: bool = Field(description="this is the one that asks")


class ServiceTokenIn(In):
    """A new service token; without ``expires_at`` it holds until it is revoked."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=patterns.LINE)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=20)]
    expires_at: AwareDatetime | None = None


class ServiceTokenOut(Out):
    """A service token, without its secret."""

    id: str
    user_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def fields(cls, token: ServiceToken) -> dict[str, Any]:
        """Return what is shown of a token."""
        return {
            "id": token.id,
            "user_id": token.user_id,
            "name": token.name,
            "scopes": sorted(token.scopes),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }


class NewServiceTokenOut(ServiceTokenOut):
    """A service token that was just made: the only time that its secret is shown."""

    token: str


class UserOut(Out):
    """A user, without what only the service may know."""

    id: str
    name: str
    role: Role
    full_name: str
    email: str | None
    address: tuple[str, ...]
    active: bool
    group: str | None


class _ProfileIn(In):
    full_name: Line | None = None
    email: Annotated[str, Field(max_length=255)] | None = None
    address: Annotated[list[Line], Field(max_length=6)] | None = None


class ProfileIn(_ProfileIn):
    """What users change of themselves; what is left out stays."""


class UserIn(In):
    """A new user."""

    name: Annotated[str, Field(max_length=64)]
    role: Role = Role.USER
    password: SecretStr
    full_name: Line = ""
    email: Annotated[str, Field(max_length=255)] | None = None
    address: list[Line] = Field(default=[], max_length=6)
    group: Group | None = None


class UserPatch(_ProfileIn):
    """What an admin changes of a user; what is left out stays. ``group`` null: in none."""

    role: Role | None = None
    active: bool | None = None
    group: Group | None = None


class PasswordIn(In):
    """A new password."""

    password: SecretStr


class OwnPasswordIn(In):
    """A new password, by who knows the current one."""

    current_password: SecretStr
    password: SecretStr
