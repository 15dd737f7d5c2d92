"""Issued bills by number: lists, payments, credit notes."""

from typing import Any

import pytest

from tests.api.harness import Api, at, code

NUMBER = "SR-2026-000001"


async def _issued(api: Api, session: str = "1-1", user: str = "driver") -> str:
    """Issue the bill of a session; return the session's id."""
    charged = await api.charge(session)
    await api.assign(charged.id, user)
    answer = await api.request("admin", "POST", f"/sessions/{charged.id}/bill")
    assert answer.status_code == 201
    return charged.id


async def _credit(api: Api, number: str = NUMBER) -> dict[str, Any]:
    body = {"reason": "wrong tariff"}
    answer = await api.request("admin", "POST", f"/bills/{number}/credit", json=body)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


async def test_a_bill_by_its_number(api: Api) -> None:
    """The same as by its session, and as PDF."""
    session_id = await _issued(api)
    by_number = await api.request("driver", "GET", f"/bills/{NUMBER}")
    by_session = await api.request("driver", "GET", f"/sessions/{session_id}/bill")
    assert by_number.json() == by_session.json()
    assert by_number.json()["status"] == "issued"
    document = await api.request("driver", "GET", f"/bills/{NUMBER}?format=pdf")
    assert document.content.startswith(b"%PDF-")


async def test_another_s_bill_does_not_exist(api: Api) -> None:
    """Neither by number nor in the list."""
    await _issued(api)
    answer = await api.request("other", "GET", f"/bills/{NUMBER}")
    assert code(answer) == (404, "not_found")
    pdf = await api.request("other", "GET", f"/bills/{NUMBER}?format=pdf")
    assert code(pdf) == (404, "not_found")
    assert (await api.request("other", "GET", "/bills/")).json()["items"] == []


async def test_the_list(api: Api) -> None:
    """A user's own, an admin's all; filters narrow it."""
    await _issued(api, "1-1", "driver")
    await _issued(api, "2-1", "other")

    async def listed(name: str, query: str = "") -> list[str]:
        answer = (await api.request(name, "GET", f"/bills/{query}")).json()
        assert answer["total"] == len(answer["items"])
        return sorted(each["number"] for each in answer["items"])

    assert await listed("driver") == [NUMBER]
    assert await listed("other") == ["SR-2026-000002"]
    assert await listed("admin") == [NUMBER, "SR-2026-000002"]
    assert await listed("admin", "?user_id=other") == ["SR-2026-000002"]
    assert await listed("admin", "?status=paid") == []
    assert await listed("admin", "?issued_from=2026-11-24") == []


async def test_a_bill_is_paid(api: Api) -> None:
    """Today unless said otherwise; once; and the log says by whom."""
    session_id = await _issued(api)
    body = {"reference": "bank 42"}
    paid = await api.request("admin", "POST", f"/bills/{NUMBER}/paid", json=body)
    assert paid.json()["status"] == "paid"
    assert paid.json()["paid_on"] == "2026-11-23"
    assert paid.json()["payment_reference"] == "bank 42"
    again = await api.request("admin", "POST", f"/bills/{NUMBER}/paid", json=body)
    assert code(again) == (409, "conflict")
    shown = await api.request("driver", "GET", f"/sessions/{session_id}/bill")
    assert shown.json() == paid.json()
    assert ("user:admin (admin)", "bill.pay", f"bill:{NUMBER}") in await api.audited()


@pytest.mark.parametrize("day", ["2026-11-24", "2026-11-22"])
async def test_no_payment_before_the_bill_or_in_the_future(api: Api, day: str) -> None:
    """A typing mistake is told, and nothing is stored."""
    await _issued(api)
    body = {"paid_on": day}
    answer = await api.request("admin", "POST", f"/bills/{NUMBER}/paid", json=body)
    assert code(answer) == (422, "invalid_input")
    shown = await api.request("admin", "GET", f"/bills/{NUMBER}")
    assert shown.json()["status"] == "issued"


async def test_a_credit_note_takes_a_bill_back(api: Api) -> None:
    """All amounts negated, a number of its own; the bill is void and the session free again."""
    session_id = await _issued(api)
    note = await _credit(api)
    assert (note["number"], note["kind"]) == ("CN-2026-000001", "credit_note")
    assert (note["corrects"], note["total"]) == (NUMBER, "-0.72")
    assert note["credit_reason"] == "wrong tariff"
    before = (await api.request("driver", "GET", f"/bills/{NUMBER}")).json()
    assert (before["status"], before["credited_by"]) == ("void", note["number"])
    assert before["total"] == "0.72"
    path = f"/sessions/{session_id}/bill"
    assert (await api.request("driver", "GET", path)).json()["status"] == "draft"
    anew = await api.request("admin", "POST", path)
    assert anew.json()["number"] == "SR-2026-000002"
    document = await api.request("driver", "GET", f"/bills/{note['number']}?format=pdf")
    assert document.content.startswith(b"%PDF-")
    assert (
        "user:admin (admin)",
        "bill.credit",
        f"bill:{NUMBER}",
    ) in await api.audited()


async def test_what_cannot_be_taken_back(api: Api) -> None:
    """A bill twice, a credit note, or without a reason."""
    await _issued(api)
    for reason in ("", "   ", "line\nbreak"):
        refused = await api.request(
            "admin", "POST", f"/bills/{NUMBER}/credit", json={"reason": reason}
        )
        assert code(refused) == (422, "invalid_request")
    note = await _credit(api)
    for number in (NUMBER, note["number"]):
        answer = await api.request(
            "admin", "POST", f"/bills/{number}/credit", json={"reason": "again"}
        )
        assert code(answer) == (409, "conflict")
        paid = await api.request("admin", "POST", f"/bills/{number}/paid", json={})
        assert code(paid) == (409, "conflict")
    assert (await api.request("admin", "GET", "/bills/")).json()["total"] == 2


async def test_what_came_late_is_metered_once_the_bill_is_taken_back(api: Api) -> None:
    """A freed session takes up frames that it had to leave out."""
    session_id = await _issued(api)
    await api.charge_on("1-1")
    await api.end("1-1", 61)
    late = (await api.request("admin", "GET", f"/sessions/{session_id}")).json()
    assert late["flags"] == ["late_frames"]
    assert late["ended_at"] == at(60).isoformat().replace("+00:00", "Z")
    await _credit(api)
    await api.site.metering.run_once()
    now = (await api.request("admin", "GET", f"/sessions/{session_id}")).json()
    assert "late_frames" not in now["flags"]
    assert now["frames"] == late["frames"] + 1
