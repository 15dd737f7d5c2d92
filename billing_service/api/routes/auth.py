"""Signing in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm

from billing_service.api.deps import ServicesDep, address_of
from billing_service.api.schemas import TokenOut

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/token")
async def token(
    request: Request,
    services: ServicesDep,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
) -> TokenOut:
    """Exchange a name and password for an access token (OAuth 2 password form).

    401 ``not_signed_in`` when they do not match, 429 ``too_many_attempts`` after too many tries.
    """
    issued = await services.auth.sign_in(
        form.username, form.password, address_of(request)
    )
    return TokenOut(
        access_token=issued.token,
        expires_in=int(issued.expires_in.total_seconds()),
    )
