"""What is kept of a person: exported and erased."""

import json

import pytest

from billing_service.adapters.db.repositories.users import ERASED
from billing_service.adapters.db.tables import metadata
from billing_service.adapters.passwords import Argon2Passwords
from tests.api.harness import PASSWORD, Api, code


async def _lived_in(api: Api) -> tuple[str, str]:
    """Let the driver have a card, a billed and an unbilled session; return the sessions' ids."""
    profile = {"email": "dana@example.org", "address": ["1 Secret Road"]}
    await api.request("driver", "PATCH", "/users/me", json=profile)
    card = {"uid": "04aabbcc", "type": "RFID", "user_id": "driver"}
    made = await api.request("admin", "POST", "/tokens/", json=card)
    assert made.status_code == 201
    customer = {"name": "Dana's Firm", "vat_id": "ATU87654321"}
    named = await api.request("admin", "PUT", "/customers/driver", json=customer)
    assert named.status_code == 200, named.text
    body = {"name": "export", "scopes": ["bills:read"]}
    await api.request("driver", "POST", "/service-tokens/", json=body)
    billed, unbilled = await api.charge("1-1"), await api.charge("2-1")
    for session in (billed, unbilled):
        await api.assign(session.id, "driver")
    await api.request("admin", "POST", f"/sessions/{billed.id}/bill")
    return billed.id, unbilled.id


async def _stored(api: Api, *, but: tuple[str, ...]) -> str:
    """Return all that the database holds, but some tables."""
    async with api.site.database.engine.connect() as connection:
        names = await connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        stored = ""
        for (name,) in names.all():
            if name not in but:
                rows = await connection.exec_driver_sql(f"SELECT * FROM {name}")  # noqa: S608
                stored += str(rows.all())
        return stored


@pytest.mark.parametrize(
    ("who", "path"), [("driver", "/users/me/export"), ("admin", "/users/driver/export")]
)
async def test_everything_is_exported(api: Api, who: str, path: str) -> None:
    """Profile, sign-ins, tokens, sessions with periods, bills, the log; no secret, nobody else's."""
    billed, unbilled = await _lived_in(api)
    others = await api.charge("3-1")
    await api.assign(others.id, "other")
    answer = await api.request(who, "GET", path)
    body = answer.json()
    assert body["user"]["email"] == "dana@example.org"
    assert {each["id"] for each in body["sessions"]} == {billed, unbilled}
    assert all(each["periods"] for each in body["sessions"])
    assert [each["number"] for each in body["bills"]] == ["SR-2026-000001"]
    assert body["charging_tokens"][0]["uid"] == "04AABBCC"
    assert body["sign_ins"]
    assert body["service_tokens"][0]["name"] == "export"
    assert "user.change" in [each["action"] for each in body["audit_log"]]
    for secret in (PASSWORD, "digest", "password_hash", others.id):
        assert secret not in json.dumps(body)


async def test_erasing_leaves_what_the_law_wants(api: Api) -> None:
    """The bill stays as it was issued; name, address, card and the rest are nowhere else."""
    billed, unbilled = await _lived_in(api)
    before = (await api.request("admin", "GET", f"/sessions/{billed}/bill")).json()
    refused = await api.request("admin", "DELETE", "/users/driver")
    assert code(refused) == (409, "unbilled_sessions")
    headers = await api.headers("driver")
    path = "/users/driver?waive_unbilled=true"
    assert (await api.request("admin", "DELETE", path)).status_code == 204
    after = (await api.request("admin", "GET", f"/sessions/{billed}/bill")).json()
    assert after == before
    assert after["customer"]["name"] == "Dana's Firm"
    waived = (await api.request("admin", "GET", f"/sessions/{unbilled}")).json()
    assert waived["user_id"] is None
    issued = ("bills", "cdrs")
    stored = await _stored(api, but=issued)
    for trace in ("Dana", "ATU87654321", "dana@example.org", "Secret Road"):
        assert trace not in stored
    # The log names cards by their number, as it names people by the name they sign in with.
    assert "04AABBCC" not in (await _stored(api, but=(*issued, "audit_log"))).upper()
    assert (await api.client.get("/users/me", headers=headers)).status_code == 401
    form = {"username": "driver", "password": PASSWORD}
    assert (await api.client.post("/auth/token", data=form)).status_code == 401
    assert "user.erase" in [each[1] for each in await api.audited()]
    again = {"name": "driver", "password": PASSWORD}
    assert (
        await api.request("admin", "POST", "/users/", json=again)
    ).status_code == 201


async def test_who_was_erased_does_not_come_back(api: Api) -> None:
    """They are not listed, cannot be changed, and nothing can be given to them."""
    _, unbilled = await _lived_in(api)
    path = "/users/driver"
    await api.request("admin", "DELETE", f"{path}?waive_unbilled=true")
    listed = (await api.request("admin", "GET", "/users/")).json()
    assert "driver" not in {each["id"] for each in listed}
    new = {"password": PASSWORD + "!"}
    for method, of_them, body in (
        ("GET", path, None),
        ("DELETE", path, None),
        ("PATCH", path, {"active": True, "full_name": "Dana"}),
        ("PUT", f"{path}/password", new),
        ("PUT", "/customers/driver", {"name": "Dana"}),
    ):
        answer = await api.request("admin", method, of_them, json=body)
        assert code(answer) == (404, "not_found"), (method, of_them)
    for method, to_them, body in (
        ("PUT", f"/sessions/{unbilled}", {"user_id": "driver"}),
        ("POST", "/tokens/", {"uid": "04AABBCC", "user_id": "driver"}),
        ("POST", "/tariff-assignments/", {"tariff_id": "evening", "user_id": "driver"}),
        ("PATCH", "/stations/garage", {"user_id": "driver"}),
    ):
        answer = await api.request("admin", method, to_them, json=body)
        assert code(answer) == (422, "invalid_input"), (method, to_them)


def test_no_table_about_people_is_forgotten() -> None:
    """A new table with a user in it is erased, or named here with the reason why it stays."""
    stays = {
        "sessions": "unlinked unless billed",
        "bills": "kept as the law asks",
        "stations": "reserved for an id that nobody can sign in with: not open to all",
        "tariff_assignments": "which tariff applied to whom is part of a bill's evidence",
    }
    about_people = {
        table.name
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "users"
    }
    assert about_people == {table.name for table in ERASED} | stays.keys()


async def test_who_charges_now_is_not_erased(api: Api) -> None:
    """Nor is the last admin, nor who does not exist."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    path = "/users/{}?waive_unbilled=true"
    for name, expected in (
        ("driver", (409, "session_open")),
        ("admin", (409, "last_admin")),
        ("nobody", (404, "not_found")),
    ):
        answer = await api.request("admin", "DELETE", path.format(name))
        assert code(answer) == expected
    assert (await api.user("driver")).full_name == "Dana Driver"


async def test_an_erased_password_matches_nothing() -> None:
    """With the real hasher, whatever is typed."""
    for typed in ("!", "", PASSWORD):
        assert await Argon2Passwords().verify(typed, "!") == (False, None)
