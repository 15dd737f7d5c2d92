"""Tokens for programs such as Home Assistant, exporters and Prometheus."""

from http import HTTPStatus

from fastapi import APIRouter

from billing_service.api.deps import CurrentActor, ServicesDep, ServiceTokenId
from billing_service.api.schemas.people import (
    NewServiceTokenOut,
    ServiceTokenIn,
    ServiceTokenOut,
)

router = APIRouter(prefix="/service-tokens", tags=["service-tokens"])


@router.get("/")
async def list_service_tokens(
    actor: CurrentActor, services: ServicesDep
) -> list[ServiceTokenOut]:
    """Return one's service tokens, the newest first; an admin's are everyone's."""
    return [
        ServiceTokenOut(**ServiceTokenOut.fields(token))
        for token in await services.service_tokens.visible(actor.viewer)
    ]


@router.post("/", status_code=HTTPStatus.CREATED)
async def make_service_token(
    actor: CurrentActor, services: ServicesDep, body: ServiceTokenIn
) -> NewServiceTokenOut:
    """Make a token for a program. It sees what its maker sees, and does what its scopes name.

    Its secret is in this answer and never shown again. Scopes: ``stations:read``,
    ``sessions:read``, ``sessions:write``, ``tariffs:read``, ``tariffs:write``, ``bills:read``,
    ``metrics:read``.
    """
    made = await services.service_tokens.make(
        actor,
        name=body.name,
        scopes=frozenset(body.scopes),
        expires_at=body.expires_at,
    )
    return NewServiceTokenOut(
        **ServiceTokenOut.fields(made.token),
        token=made.secret,
    )


@router.delete("/{service_token_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_service_token(
    actor: CurrentActor, services: ServicesDep, service_token_id: ServiceTokenId
) -> None:
    """Revoke a service token; it is void at once."""
    await services.service_tokens.revoke(actor, service_token_id)
