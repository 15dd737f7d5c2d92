"""Signing in, staying signed in, and signing out."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field

from billing_service.api.deps import CurrentActor, ServicesDep, address_of
from billing_service.api.schemas.people import SignInOut, TokenOut
from billing_service.domain.errors import InvalidInput

router = APIRouter(prefix="/auth", tags=["auth"])


class TokenForm(BaseModel):
    """The OAuth 2 token request (RFC 6749, 4.3.2 and 6). ``scope`` and the client are ignored."""

    grant_type: Literal["password", "refresh_token"] = "password"
    username: Annotated[str, Field(max_length=1000)] | None = None
    password: Annotated[str, Field(max_length=10_000)] | None = None
    refresh_token: Annotated[str, Field(max_length=1000)] | None = None
    scope: str = ""
    client_id: str | None = None
    client_secret: str | None = None


@router.post("/token")
async def token(
    request: Request, services: ServicesDep, form: Annotated[TokenForm, Form()]
) -> TokenOut:
    """Exchange a name and password, or a refresh token, for an access token (OAuth 2).

    Each refresh token works once and brings the next one; using it again ends the sign-in. Only
    within 20 s a repeated request gets another one, and voids the first answer's. 401
    ``not_signed_in`` when they do not match, 429 ``too_many_attempts`` after too many tries.
    """
    address = address_of(request)
    if form.grant_type == "refresh_token":
        if not form.refresh_token:
            raise InvalidInput(("refresh_token", "is missing"))
        issued = await services.auth.refresh(form.refresh_token, address)
    else:
        missing = [
            (name, "is missing")
            for name in ("username", "password")
            if not getattr(form, name)
        ]
        if missing:
            raise InvalidInput(*missing)
        client = request.headers.get("user-agent", "")
        issued = await services.auth.sign_in(
            form.username or "", form.password or "", address, client
        )
    return TokenOut(
        access_token=issued.access_token,
        expires_in=int(issued.expires_in.total_seconds()),
        refresh_token=issued.refresh_token,
    )


@router.get("/sign-ins")
async def list_sign_ins(actor: CurrentActor, services: ServicesDep) -> list[SignInOut]:
    """Return where one is signed in, the last used first."""
    return [
        SignInOut(
            id=grant.id,
            created_at=grant.created_at,
            last_used_at=grant.last_used_at,
            expires_at=grant.expires_at,
            address=grant.address,
            client=grant.client,
            current=grant.id == actor.grant_id,
        )
        for grant in await services.auth.sign_ins(actor.user_id)
    ]


@router.post("/sign-out", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(actor: CurrentActor, services: ServicesDep) -> None:
    """End this sign-in: its tokens are void at once."""
    await services.auth.sign_out(actor)


@router.post("/sign-out-everywhere", status_code=HTTPStatus.NO_CONTENT)
async def sign_out_everywhere(actor: CurrentActor, services: ServicesDep) -> None:
    """End all of one's sign-ins, this one too. Service tokens stay."""
    await services.auth.sign_out_everywhere(actor, actor.user_id)
