"""Bills over the API: drafts, issuing, PDF."""

from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.api.harness import Api, at, code, decimals, open_api, tariff_json
from tests.services.site import T0


async def _billable(api: Api) -> str:
    session = await api.charge()
    await api.assign(session.id, "driver")
    return f"/sessions/{session.id}/bill"


async def test_a_draft_says_what_the_bill_would(api: Api) -> None:
    """The same numbers under another name, to admin and driver; asking takes no number."""
    path = await _billable(api)
    drafts = [
        (await api.request(name, "GET", path)).json() for name in ("admin", "driver")
    ]
    assert drafts[0] == drafts[1]
    assert (drafts[0]["status"], drafts[0]["number"]) == ("draft", "DRAFT")
    issued = await api.request("admin", "POST", path)
    assert issued.status_code == 201
    body = issued.json()
    assert len(body.pop("sha256")) == 64
    assert drafts[0].pop("sha256") is None
    assert body == drafts[0] | {"status": "issued", "number": "SR-2026-000001"}


async def test_an_issued_bill(api: Api) -> None:
    """Parties, energies, lines and totals: 1.8 kWh at 0.10 and 1.8 kWh at 0.30."""
    path = await _billable(api)
    await api.request("admin", "POST", path)
    body = decimals(await api.request("driver", "GET", path))
    assert body["supplier"]["name"] == "Sunny Charging"
    assert body["supplier"]["vat_id"] == "ATU12345678"
    assert body["customer"]["name"] == "Dana Driver"
    assert body["issued_on"] == "2026-11-23"
    (session,) = body["sessions"]
    assert (session["solar_wh"], session["grid_wh"]) == ("1800.000", "1800.000")
    assert [line["amount"] for line in session["lines"]] == ["0.18", "0.54"]
    assert body["total"] == "0.72"


async def test_a_bill_is_issued_once(api: Api) -> None:
    """The second time is refused; the first one stands."""
    path = await _billable(api)
    first = (await api.request("admin", "POST", path)).json()
    assert code(await api.request("admin", "POST", path)) == (409, "session_billed")
    assert (await api.request("admin", "GET", path)).json() == first
    issued = [each for each in await api.audited() if each[1] == "bill.issue"]
    assert [each[2] for each in issued] == ["bill:SR-2026-000001"]


async def test_a_bill_does_not_change_with_its_customer(api: Api) -> None:
    """Who moves house later has moved after the bill."""
    path = await _billable(api)
    first = (await api.request("admin", "POST", path)).json()
    new = {"full_name": "Someone Else", "address": ["2 Road"]}
    await api.request("driver", "PATCH", "/users/me", json=new)
    assert (await api.request("driver", "GET", path)).json() == first


async def test_the_year_is_the_supplier_s(api: Api) -> None:
    """Half past eleven in London on New Year's Eve is next year in Vienna."""
    path = await _billable(api)
    api.site.now = T0.replace(month=12, day=31, hour=23, minute=30)
    body = (await api.request("admin", "POST", path)).json()
    assert (body["number"], body["issued_on"]) == ("SR-2027-000001", "2027-01-01")


async def test_a_session_under_way_has_no_bill(api: Api) -> None:
    """Neither a draft nor an issued one."""
    session = await api.charge(ended=False)
    for method in ("GET", "POST"):
        answer = await api.request("admin", method, f"/sessions/{session.id}/bill")
        assert code(answer) == (409, "session_open")


async def test_a_session_without_a_driver_is_not_billed(api: Api) -> None:
    """There is a draft for the admin to see, but nobody to send it to."""
    session = await api.charge()
    path = f"/sessions/{session.id}/bill"
    assert (await api.request("admin", "GET", path)).json()["status"] == "draft"
    assert code(await api.request("admin", "POST", path)) == (409, "no_driver")


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", None, "json"),
        ("", "*/*", "json"),
        ("", "application/json", "json"),
        ("", "application/pdf", "pdf"),
        ("", "text/html,application/pdf;q=0.9,*/*;q=0.8", "pdf"),
        ("", "application/pdf;q=0.1, application/json", "json"),
        ("", "application/*;q=0.5, application/json;q=0", "pdf"),
        ("", "nonsense;q=high", "json"),
        ("?format=pdf", "application/json", "pdf"),
        ("?format=json", "application/pdf", "json"),
    ],
)
async def test_pdf_or_json(api: Api, query: str, accept: str | None, kind: str) -> None:
    """By the address first, then by what the client prefers."""
    path = await _billable(api)
    await api.request("admin", "POST", path)
    headers = {} if accept is None else {"Accept": accept}
    answer = await api.request("driver", "GET", path + query, headers=headers)
    assert answer.headers["content-type"] == f"application/{kind}"
    if kind == "pdf":
        assert answer.content.startswith(b"%PDF-")
        assert 'filename="SR-2026-000001.pdf"' in answer.headers["content-disposition"]


async def test_an_unknown_format_is_refused(api: Api) -> None:
    """It is told, not guessed."""
    path = await _billable(api)
    answer = await api.request("driver", "GET", f"{path}?format=docx")
    assert code(answer) == (422, "invalid_request")


async def test_a_draft_is_no_document(api: Api) -> None:
    """A PDF that looks like a bill exists only of an issued one."""
    path = await _billable(api)
    answer = await api.request("driver", "GET", f"{path}?format=pdf")
    assert code(answer) == (409, "conflict")


async def test_no_tariff_is_an_error_not_zero(tmp_path: Path) -> None:
    """A session that no tariff covers says so, until one is made that covers its start."""
    async with open_api(tmp_path, tariff=None) as api:
        path = await _billable(api)
        for method in ("GET", "POST"):
            answer = await api.request("admin", method, path)
            assert code(answer) == (409, "no_tariff")
        later = tariff_json(start_date_time=at(1).isoformat())
        assert (
            await api.request("admin", "POST", "/tariffs/", json=later)
        ).status_code == 201
        assert code(await api.request("admin", "POST", path)) == (409, "no_tariff")
        before = tariff_json(id="before", start_date_time=at(-1).isoformat())
        await api.request("admin", "POST", "/tariffs/", json=before)
        issued = (await api.request("admin", "POST", path)).json()
        # 3.6 kWh at 0.25 and 20 % VAT
        assert (issued["net"], issued["vat"], issued["total"]) == (
            "0.90",
            "0.18",
            "1.08",
        )


async def test_a_company_s_bill(api: Api) -> None:
    """Name, address, VAT ID and language as the driver set them; earlier bills stay."""
    path = await _billable(api)
    before = (await api.request("admin", "POST", path)).json()
    company = {
        "name": "Sun Cars",
        "address": ["1 Road", "Town"],
        "vat_id": "ATU00000000",
        "email": "",
        "locale": "de_AT",
    }
    answer = await api.request("driver", "PUT", "/customers/me", json=company)
    assert answer.json() == {"user_id": "driver"} | company
    assert (await api.request("driver", "GET", path)).json() == before
    second = await api.charge("2-1")
    await api.assign(second.id, "driver")
    path = f"/sessions/{second.id}/bill"
    bill = (await api.request("admin", "POST", path)).json()
    assert bill["customer"] == {
        "name": "Sun Cars",
        "address": ["1 Road", "Town"],
        "vat_id": "ATU00000000",
        "email": None,
    }
    assert (before["locale"], bill["locale"]) == ("en", "de_AT")
    document = await api.request("driver", "GET", f"{path}?format=pdf")
    assert "Rechnung" in PdfReader(BytesIO(document.content)).pages[0].extract_text()
    assert (
        "user:driver (driver)",
        "customer.set",
        "user:driver",
    ) in await api.audited()


@pytest.mark.parametrize(
    "body",
    [
        {"locale": "xx-nothing"},
        {"vat_id": "at 1"},
        {"name": "two\nlines"},
        {"address": ["x"] * 7},
        {"unknown": 1},
    ],
)
async def test_a_customer_who_cannot_be_right(
    api: Api, body: dict[str, object]
) -> None:
    """It is told, and what was set stays."""
    await api.request("driver", "PUT", "/customers/me", json={"name": "Sun Cars"})
    answer = await api.request("driver", "PUT", "/customers/me", json=body)
    assert code(answer) == (422, "invalid_request")
    kept = (await api.request("admin", "GET", "/customers/driver")).json()
    assert kept["name"] == "Sun Cars"
