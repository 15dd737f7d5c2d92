"""People."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query

from billing_service.api.deps import AdminActor, CurrentActor, ServicesDep, UserId
from billing_service.api.schemas.people import (
    OwnPasswordIn,
    PasswordIn,
    ProfileIn,
    UserIn,
    UserOut,
    UserPatch,
)
from billing_service.services.users import UNSET, Changes

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me")
async def me(actor: CurrentActor, services: ServicesDep) -> UserOut:
    """Return who is signed in."""
    return UserOut.model_validate(await services.users.get(actor.user_id))


@router.patch("/me")
async def change_me(
    actor: CurrentActor, services: ServicesDep, body: ProfileIn
) -> UserOut:
    """Change one's own name, e-mail and address."""
    user = await services.users.change(actor, actor.user_id, _changes(body))
    return UserOut.model_validate(user)


@router.put("/me/password", status_code=HTTPStatus.NO_CONTENT)
async def change_my_password(
    actor: CurrentActor, services: ServicesDep, body: OwnPasswordIn
) -> None:
    """Set a new password; every sign-in ends."""
    await services.users.change_own_password(
        actor,
        actor.user_id,
        body.current_password.get_secret_value(),
        body.password.get_secret_value(),
    )


@router.get("/me/export")
async def export_me(actor: CurrentActor, services: ServicesDep) -> dict[str, Any]:
    """Return everything that is kept of oneself."""
    return await services.privacy.export(actor.user_id)


@router.get("/")
async def list_users(_: AdminActor, services: ServicesDep) -> list[UserOut]:
    """Return all users, by name."""
    return [UserOut.model_validate(user) for user in await services.users.all()]


@router.post("/", status_code=HTTPStatus.CREATED)
async def add_user(actor: AdminActor, services: ServicesDep, body: UserIn) -> UserOut:
    """Make a user."""
    user = await services.users.add(
        actor,
        name=body.name,
        role=body.role,
        password=body.password.get_secret_value(),
        full_name=body.full_name,
        email=body.email,
        address=tuple(body.address),
        group=body.group,
    )
    return UserOut.model_validate(user)


@router.get("/{user_id}")
async def get_user(_: AdminActor, services: ServicesDep, user_id: UserId) -> UserOut:
    """Return one user."""
    return UserOut.model_validate(await services.users.get(user_id))


@router.patch("/{user_id}")
async def change_user(
    actor: AdminActor, services: ServicesDep, user_id: UserId, body: UserPatch
) -> UserOut:
    """Change a user; a new role or a deactivation ends the user's sign-ins."""
    user = await services.users.change(actor, user_id, _changes(body))
    return UserOut.model_validate(user)


@router.put("/{user_id}/password", status_code=HTTPStatus.NO_CONTENT)
async def set_password(
    actor: AdminActor, services: ServicesDep, user_id: UserId, body: PasswordIn
) -> None:
    """Set a user's password; every sign-in ends."""
    await services.users.set_password(actor, user_id, body.password.get_secret_value())


@router.post("/{user_id}/sign-out", status_code=HTTPStatus.NO_CONTENT)
async def sign_user_out(
    actor: AdminActor, services: ServicesDep, user_id: UserId
) -> None:
    """End all of a user's sign-ins."""
    await services.auth.sign_out_everywhere(actor, user_id)


@router.get("/{user_id}/export")
async def export_user(
    _: AdminActor, services: ServicesDep, user_id: UserId
) -> dict[str, Any]:
    """Return everything that is kept of a user."""
    return await services.privacy.export(user_id)


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def erase_user(
    actor: AdminActor,
    services: ServicesDep,
    user_id: UserId,
    waive_unbilled: Annotated[bool, Query()] = False,
) -> None:
    """Erase a person. Issued bills, their CDRs and the audit log stay, as the law asks.

    409 ``session_open`` while they charge; 409 ``unbilled_sessions`` while sessions of theirs
    have no bill, unless ``waive_unbilled``.
    """
    await services.privacy.erase(actor, user_id, waive_unbilled=waive_unbilled)


def _changes(body: ProfileIn | UserPatch) -> Changes:
    """Return what was given. Null empties what may be empty, and leaves the rest."""
    given = body.model_fields_set
    return Changes(
        full_name=(body.full_name or "") if "full_name" in given else UNSET,
        email=body.email if "email" in given else UNSET,
        address=tuple(body.address or ()) if "address" in given else UNSET,
        group=body.group if isinstance(body, UserPatch) and "group" in given else UNSET,
        role=body.role if isinstance(body, UserPatch) and body.role else UNSET,
        active=body.active
        if isinstance(body, UserPatch) and body.active is not None
        else UNSET,
    )
