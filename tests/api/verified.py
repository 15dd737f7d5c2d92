"""A bill that is issued, and what somebody with the database at hand does to it."""

from typing import Any

from tests.api.harness import Api

NUMBER = "SR-2026-000001"


async def issued(api: Api, name: str = "1-1") -> dict[str, Any]:
    """Return the bill of a session of the driver's."""
    session = await api.charge(name)
    await api.assign(session.id, "driver")
    answer = await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    bill: dict[str, Any] = answer.json()
    return bill


async def tamper(api: Api, table: str, statement: str) -> None:
    """Change what triggers protect, as someone with the file at hand could."""
    async with api.site.database.engine.begin() as connection:
        for verb in ("update", "delete"):
            await connection.exec_driver_sql(f"DROP TRIGGER {table}_refuse_{verb}")
        await connection.exec_driver_sql(statement)
