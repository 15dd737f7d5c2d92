"""Tokens that people start charges with."""

from http import HTTPStatus

from fastapi import APIRouter

from billing_service.api.deps import AdminActor, ServicesDep, TokenUid
from billing_service.api.schemas.stations import (
    ChargingTokenIn,
    ChargingTokenOut,
    ChargingTokenPatch,
)
from billing_service.services.charging_tokens import TokenChanges
from billing_service.services.users import UNSET

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("/")
async def list_tokens(_: AdminActor, services: ServicesDep) -> list[ChargingTokenOut]:
    """Return all tokens, by uid."""
    return [
        ChargingTokenOut.model_validate(token)
        for token in await services.charging_tokens.all()
    ]


@router.post("/", status_code=HTTPStatus.CREATED)
async def add_token(
    actor: AdminActor, services: ServicesDep, body: ChargingTokenIn
) -> ChargingTokenOut:
    """Give a user a token: sessions that it starts are theirs.

    So are those it has started already that are nobody's and not billed.
    """
    token = await services.charging_tokens.add(
        actor,
        body.uid,
        body.user_id,
        type_=body.type,
        visual_number=body.visual_number,
        valid=body.valid,
    )
    return ChargingTokenOut.model_validate(token)


@router.get("/{uid}")
async def get_token(
    _: AdminActor, services: ServicesDep, uid: TokenUid
) -> ChargingTokenOut:
    """Return one token, whatever the case of its uid."""
    return ChargingTokenOut.model_validate(await services.charging_tokens.get(uid))


@router.patch("/{uid}")
async def change_token(
    actor: AdminActor, services: ServicesDep, uid: TokenUid, body: ChargingTokenPatch
) -> ChargingTokenOut:
    """Block a token, or give it to another user; sessions keep the drivers they have."""
    token = await services.charging_tokens.change(
        actor,
        uid,
        TokenChanges(
            user_id=body.user_id or UNSET,
            visual_number=UNSET if body.visual_number is None else body.visual_number,
            valid=UNSET if body.valid is None else body.valid,
        ),
    )
    return ChargingTokenOut.model_validate(token)


@router.delete("/{uid}", status_code=HTTPStatus.NO_CONTENT)
async def delete_token(actor: AdminActor, services: ServicesDep, uid: TokenUid) -> None:
    """Remove a token; sessions keep the drivers they have."""
    await services.charging_tokens.delete(actor, uid)
