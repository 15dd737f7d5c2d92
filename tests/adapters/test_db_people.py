"""Users come back exactly; sign-ins are counted."""

from datetime import timedelta

import pytest

from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.errors import Conflict
from billing_service.services.ports import (
    Role,
)
from tests.adapters.database import (
    NOW,
    user,
)


async def test_a_user_comes_back_exactly(uow: SqlUnitOfWork) -> None:
    """Every field."""
    full = user(
        "u-9",
        name="Jordan",
        full_name="Jordan Ünïcode",
        email="j@example.org",
        address=("1 Road", "Town"),
        active=False,
        tokens_valid_from=NOW,
    )
    await uow.users.add(full)
    assert await uow.users.get("u-9") == full


async def test_names_differ_by_more_than_case(uow: SqlUnitOfWork) -> None:
    """One person, however the name is typed; compatible letters count as the same."""
    await uow.users.add(user("u-9", name="Straße"))
    found = await uow.users.by_name("STRASSE")
    assert found == user("u-9", name="Straße")
    with pytest.raises(Conflict):
        await uow.users.add(user("u-10", name="strasse"))
    assert await uow.users.by_name("nobody") is None
    assert await uow.users.by_name("nul\x00") is None


async def test_only_an_active_admin_counts(uow: SqlUnitOfWork) -> None:
    """An inactive one can let nobody in."""
    assert await uow.users.any_admin()
    await uow.users.save(user("u-admin", role=Role.ADMIN, active=False))
    assert not await uow.users.any_admin()


async def test_sign_ins_are_counted_by_account_and_address(uow: SqlUnitOfWork) -> None:
    """Within the time asked for; the oldest tells when to try again."""
    old, recent = NOW - timedelta(minutes=20), NOW - timedelta(minutes=5)
    for account, address, at in (
        ("a", "1.1.1.1", old),
        ("a", "1.1.1.1", recent),
        ("a", "2.2.2.2", NOW),
        ("b", "1.1.1.1", NOW),
    ):
        await uow.sign_ins.add(account=account, address=address, at=at)
    since = NOW - timedelta(minutes=15)

    async def counted() -> tuple[int, int]:
        on, by = await uow.sign_ins.attempts(
            account="a", address="1.1.1.1", since=since
        )
        assert by.oldest_at is None or by.oldest_at >= since
        return on.number, by.number

    assert await counted() == (2, 2)
    await uow.sign_ins.purge(since)
    await uow.sign_ins.forgive(account="a", address="1.1.1.1")
    assert await counted() == (1, 1)
