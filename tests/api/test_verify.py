"""What is proven of a bill, to whoever holds it."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reportlab.lib.units import mm
from typer.testing import CliRunner

from billing_service.adapters.pdf import PdfBillRenderer, fallback
from billing_service.cli import app
from billing_service.domain.proof import (
    FIRST_LINK,
    Difference,
    Differs,
    link_of,
    recomputed,
    sha256_of,
)
from billing_service.services.issuing import EVERYTHING
from billing_service.services.verifying import Sentence
from tests.api.harness import Api, code
from tests.api.verified import NUMBER, issued, tamper


async def _verdict(api: Api, sha256: str) -> dict[str, Any]:
    answer = await api.client.get(f"/verify/{sha256}")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body | {each["name"]: each["outcome"] for each in body["checks"]}


async def test_a_bill_as_it_wasissued(api: Api) -> None:
    """Proven are its numbers and its place; not proven is what nobody could know."""
    bill = await issued(api)
    verdict = await _verdict(api, bill["sha256"])
    assert (verdict["number"], verdict["total"]) == (NUMBER, "0.72")
    assert not verdict["failed"]
    for name in ("evidence", "numbers", "audit", "chain"):
        assert verdict[name] == "proven"
    for name in ("readings", "document", "meter", "driver", "operator"):
        assert verdict[name] == "not_proven"


async def test_it_names_nobody(api: Api) -> None:
    """Neither as JSON nor as a page: no person, station, address or session."""
    bill = await issued(api)
    for accept in ("application/json", "text/html,*/*;q=0.8"):
        answer = await api.client.get(
            f"/verify/{bill['sha256']}", headers={"Accept": accept}
        )
        for secret in (
            "Dana",
            "driver",
            "Garage",
            "Sunny",
            bill["sessions"][0]["session_id"],
        ):
            without = answer.text.replace('"name":"driver"', "")
            assert secret not in without


async def test_what_differs_is_told_by_the_session_s_place(api: Api) -> None:
    """Energy, rating, lines and sum of the one session that was changed; and the totals."""
    for name in ("1-1", "2-1"):
        session = await api.charge(name)
        await api.assign(session.id, "driver")
    api.advance(days=30)
    await api.request("admin", "POST", "/bills/months/2026-11", json={})
    async with api.site.database.read() as read:
        evidence = await read.proofs.evidence(NUMBER)
    assert evidence is not None
    first, second = evidence.bill.sessions

    def changed(**more: Any) -> list[Difference]:
        bill = replace(evidence.bill, sessions=(first, replace(second, **more)))
        return recomputed(replace(evidence, bill=bill))

    assert recomputed(evidence) == []
    assert changed(solar_wh=Decimal(1)) == [Difference(Differs.SOLAR_ENERGY, 2)]
    assert changed(grid_wh=Decimal(1)) == [Difference(Differs.GRID_ENERGY, 2)]
    assert changed(amount=Decimal(1)) == [Difference(Differs.SUM, 2)]
    assert changed(lines=(), amount=Decimal(0)) == [
        Difference(Differs.LINES, 2),
        Difference(Differs.TOTALS),
    ]
    cdr = replace(evidence.sessions[1].cdr, currency="CHF")
    rated = (evidence.sessions[0], replace(evidence.sessions[1], cdr=cdr))
    assert recomputed(replace(evidence, sessions=rated)) == [
        Difference(Differs.RATING, 2)
    ]


@pytest.mark.parametrize(
    ("sha256", "expected"),
    [
        ("0" * 64, (404, "not_found")),
        ("0" * 63, (422, "invalid_request")),
        ("A" * 64, (422, "invalid_request")),
        ("SR-2026-000001", (422, "invalid_request")),
    ],
)
async def test_a_hash_that_is_on_no_bill(
    api: Api, sha256: str, expected: tuple[int, str]
) -> None:
    """Nothing is told by number, nor by a part of the hash."""
    await issued(api)
    assert code(await api.client.get(f"/verify/{sha256}")) == expected


async def test_a_bill_that_was_taken_back(api: Api) -> None:
    """Its page says so; the credit note has a hash and a place of its own."""
    bill = await issued(api)
    answer = await api.request(
        "admin", "POST", f"/bills/{NUMBER}/credit", json={"reason": "wrong driver"}
    )
    note = answer.json()
    assert (await _verdict(api, bill["sha256"]))["credited_by"] == note["number"]
    verdict = await _verdict(api, note["sha256"])
    assert (verdict["kind"], verdict["total"]) == ("credit_note", "-0.72")
    assert not verdict["failed"]


@pytest.mark.parametrize(
    ("table", "statement", "failed"),
    [
        (
            "bills",
            "UPDATE bills SET document = replace(document, 'Dana', 'Dora')",
            {"evidence"},
        ),
        (
            "bill_evidence",
            "UPDATE bill_evidence SET document = replace(document, '0.72', '0.27')",
            {"evidence", "numbers"},
        ),
        (
            "bill_evidence",
            "UPDATE bill_evidence SET link = previous WHERE ordinal = 1",
            {"audit", "chain"},
        ),
        ("bill_evidence", "UPDATE bill_evidence SET document = '{'", {"evidence"}),
        (
            "bill_evidence",
            "UPDATE bill_evidence SET document = replace(document, '2026-', '1926-')",
            {"evidence"},
        ),
        (
            "bill_evidence",
            (
                "UPDATE bill_evidence SET document ="
                """ replace(document, '"ended_at":"2026', '"ended_at":"2025')"""
            ),
            {"evidence", "numbers"},
        ),
        ("bill_evidence", "DELETE FROM bill_evidence WHERE ordinal = 1", {"chain"}),
        ("audit_log", "DELETE FROM audit_log WHERE action = 'bill.issue'", {"audit"}),
    ],
)
async def test_what_was_changed_is_seen(
    api: Api, table: str, statement: str, failed: set[str]
) -> None:
    """In the bill, its evidence, the chain or the log, also past the triggers."""
    await issued(api, "1-1")
    second = await issued(api, "2-1")
    await tamper(api, table, statement)
    verdict = await _verdict(api, second["sha256"])
    seen = {each["name"] for each in verdict["checks"] if each["outcome"] == "failed"}
    if "ordinal = 1" in statement and "link" in statement:
        failed = {"chain"}
    assert seen == failed
    assert verdict["failed"]


_KEYS = {"bills": "number", "bill_evidence": "bill_number"}


def _replace(api: Api, table: str, **values: str) -> None:
    """Put another row in the bill's place from a SQLite shell of one's own, past the triggers."""
    with closing(sqlite3.connect(str(api.site.database.url.database))) as shell:
        shell.row_factory = sqlite3.Row
        found = shell.execute(
            f"SELECT * FROM {table} WHERE {_KEYS[table]} = ?",  # noqa: S608
            (NUMBER,),
        )
        row = dict(found.fetchone()) | values
        named = ", ".join(f":{each}" for each in row)
        shell.execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({named})",  # noqa: S608
            row,
        )
        shell.commit()


async def _forged(api: Api, table: str) -> str:
    """Return the document that a table has of the bill, with another amount."""
    async with api.site.database.engine.connect() as connection:
        text = await connection.exec_driver_sql(
            f"SELECT document FROM {table} WHERE {_KEYS[table]} = ?",  # noqa: S608
            (NUMBER,),
        )
        return str(text.scalar_one()).replace("0.72", "0.27")


async def _failed(api: Api, sha256: str) -> set[str]:
    checks = (await _verdict(api, sha256))["checks"]
    return {each["name"] for each in checks if each["outcome"] == "failed"}


async def test_a_bill_that_another_shell_replaced_is_seen(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`INSERT OR REPLACE` without recursive triggers passes those that protect a bill."""
    first, second = await issued(api, "1-1"), await issued(api, "2-1")
    pdf = tmp_path / "bill.pdf"
    answer = await api.request("driver", "GET", f"/bills/{NUMBER}?format=pdf")
    pdf.write_bytes(answer.content)
    _replace(api, "bills", document=await _forged(api, "bills"))
    assert await _failed(api, first["sha256"]) == {"evidence"}
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, pdf)
    assert exit_code == 1
    assert Sentence.CHANGED in output

    evidence = await _forged(api, "bill_evidence")
    _replace(api, "bill_evidence", document=evidence)
    assert await _failed(api, first["sha256"]) == {"evidence", "numbers"}

    # With a hash and a link that fit, the bill in hand is one that was never issued, and the log
    # and the next bill's link say so of the new one.
    sha256 = sha256_of(evidence)
    link = link_of(FIRST_LINK, NUMBER, sha256)
    _replace(api, "bill_evidence", sha256=sha256, link=link)
    unknown = await api.client.get(f"/verify/{first['sha256']}")
    assert code(unknown) == (404, "not_found")
    assert await _failed(api, sha256) == {"numbers", "audit", "chain"}
    assert await _failed(api, second["sha256"]) == {"chain"}
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, pdf)
    assert exit_code == 1
    assert output == "error: No bill with this hash was issued here.\n"


def _cli(
    api: Api, monkeypatch: pytest.MonkeyPatch, file: Path
) -> tuple[int, str, list[str]]:
    monkeypatch.setenv("SOLARRALLY_DATA_DIR", str(file.parent))
    monkeypatch.setenv(
        "SOLARRALLY_DATABASE_URL", f"sqlite:///{api.site.database.url.database}"
    )
    result = CliRunner().invoke(app, ["verify", str(file)])
    outcomes = [line[:10].strip() for line in result.stdout.splitlines()[1:]]
    return result.exit_code, result.output, outcomes


async def test_a_pdf_is_verified(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, with the whole chain and all readings; a changed one fails."""
    await issued(api)
    pdf = await api.request("driver", "GET", f"/bills/{NUMBER}?format=pdf")
    again = await api.request("admin", "GET", f"/bills/{NUMBER}?format=pdf")
    assert pdf.content == again.content
    good, bad, none = (tmp_path / f"{n}.pdf" for n in ("good", "bad", "none"))
    good.write_bytes(pdf.content)
    bad.write_bytes(pdf.content.replace(b"SolarRally", b"SolarRalli"))
    none.write_bytes(b"%PDF-1.4 nothing")
    exit_code, output, outcomes = await asyncio.to_thread(_cli, api, monkeypatch, good)
    assert exit_code == 0, output
    assert outcomes.count("proven") == 6
    assert "All 61 readings" in output
    exit_code, output, outcomes = await asyncio.to_thread(_cli, api, monkeypatch, bad)
    assert (exit_code, outcomes.count("failed")) == (1, 1)
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, none)
    assert exit_code == 2
    assert "is not a bill" in output


async def _printed(api: Api) -> bytes:
    """Return what the layout at hand makes of the bill, without giving it out."""
    async with api.site.database.read() as read:
        record = await read.bills.get(NUMBER, EVERYTHING)
        evidence = await read.proofs.evidence(NUMBER)
    assert evidence is not None
    return PdfBillRenderer()(record.bill, evidence.chart, record.sha256)


async def test_a_file_from_before_the_layout_changed_stays_proven(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given out is genuine; what was not, and is not printed so today, is not."""
    bill = await issued(api)
    path = f"/bills/{NUMBER}?format=pdf"
    old, new, unknown = (tmp_path / f"{n}.pdf" for n in ("old", "new", "unknown"))
    layout = "billing_service.adapters.pdf.style.MARGIN"
    old.write_bytes((await api.request("driver", "GET", path)).content)
    monkeypatch.setattr(layout, 16 * mm)
    unknown.write_bytes(await _printed(api))
    monkeypatch.setattr(layout, 17 * mm)
    api.advance(days=365)
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, old)
    assert exit_code == 0, output
    assert "one that this service gave out, byte for byte, first on" in output
    session = f"/sessions/{bill['sessions'][0]['session_id']}/bill?format=pdf"
    new.write_bytes((await api.request("admin", "GET", session)).content)
    assert new.read_bytes() != old.read_bytes()
    known = [sha256_of(each.read_bytes()) for each in (old, new)]
    for file, expected in ((old, 0), (new, 0), (unknown, 1)):
        exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, file)
        assert exit_code == expected, output
    assert "nothing that it says of amounts, energy, dates and names" in output
    files = (await _verdict(api, bill["sha256"]))["files"]
    assert [each["sha256"] for each in files] == known


async def test_a_file_stays_proven_where_its_fonts_are_not(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in Chinese is printed with the machine's fonts; the file that was given out counts."""
    await api.request("driver", "PUT", "/customers/me", json={"name": "张伟"})
    await issued(api)
    file = tmp_path / "bill.pdf"
    answer = await api.request("driver", "GET", f"/bills/{NUMBER}?format=pdf")
    file.write_bytes(answer.content)
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, file)
    assert exit_code == 0
    assert "The file is the bill, byte for byte" in output
    monkeypatch.setattr(fallback, "FOLDERS", ())
    exit_code, output, _ = await asyncio.to_thread(_cli, api, monkeypatch, file)
    assert exit_code == 0
    assert "one that this service gave out, byte for byte" in output


async def test_a_file_is_noted_once_however_often_it_is_fetched(api: Api) -> None:
    """Also by many at once; a draft and a bill as JSON are no files."""
    bill = await issued(api)
    assert (await _verdict(api, bill["sha256"]))["files"] == []
    path = f"/bills/{NUMBER}?format=pdf"
    answers = await asyncio.gather(
        *(api.request("driver", "GET", path) for _ in range(4))
    )
    again = await api.request("admin", "GET", path)
    (file,) = (await _verdict(api, bill["sha256"]))["files"]
    assert {sha256_of(each.content) for each in (*answers, again)} == {file["sha256"]}
    assert (await api.request("other", "GET", path)).status_code == 404


async def test_the_chart_stays_as_it_was(api: Api) -> None:
    """What comes late, or is dropped, does not change the bytes of an issued bill."""
    await issued(api)
    path = f"/bills/{NUMBER}?format=pdf"
    before = (await api.request("driver", "GET", path)).content
    await api.charge_on("1-1")
    async with api.site.database.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM frames")
    assert (await api.request("driver", "GET", path)).content == before
