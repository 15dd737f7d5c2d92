"""PDF bills a second: one session on one page, and a month of forty on several."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from reportlab.pdfgen.canvas import Canvas

from billing_service.adapters.pdf import PdfBillRenderer
from billing_service.domain.bill import Bill, BilledSession, BillLine, Party, VatLine
from billing_service.domain.period import Source
from billing_service.domain.proof import ChartPoint
from billing_service.domain.tariff import Dimension
from scripts.benchmarks.report import Report

_START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
_EMPTY = "empty page by reportlab"


def measure(runs: int) -> Report:
    """Render both kinds."""
    report = Report(
        "pdf",
        "Bills rendered a second in one process: one session with a chart of 240 points, and forty "
        "sessions. The limit: reportlab's own page with one line of text.",
    )
    render = PdfBillRenderer("en")
    chart = [
        ChartPoint(_START + timedelta(minutes=number), 3000.0 + number, 500.0)
        for number in range(240)
    ]
    one, forty = _bill(1), _bill(40)
    render(one, chart)  # fonts are read once
    report.add(_EMPTY, *(_rate(_empty, 200) for _ in range(runs)), unit="/s")
    for name, bill, times in (("one session", one, 10), ("forty sessions", forty, 3)):
        report.add(
            name,
            *(_rate(lambda bill=bill: render(bill, chart), times) for _ in range(runs)),
            unit="/s",
            limit=_EMPTY,
        )
    return report


def _rate(work: object, times: int) -> float:
    assert callable(work)
    began = time.perf_counter()
    for _ in range(times):
        work()
    return times / (time.perf_counter() - began)


def _empty() -> bytes:
    canvas = Canvas("none.pdf")
    canvas.drawString(100, 100, "Bill")
    canvas.showPage()
    data: bytes = canvas.getpdfdata()  # type: ignore[no-untyped-call]  # reportlab
    return data


def _bill(sessions: int) -> Bill:
    lines = tuple(
        BillLine(
            dimension=Dimension.ENERGY,
            source=source,
            quantity=Decimal("12.346"),
            unit="kWh",
            unit_price=Decimal("0.10"),
            vat_percent=Decimal(20),
            amount=Decimal("1.23"),
            description=f"{source.value} energy",
        )
        for source in (Source.SOLAR, Source.GRID)
    )
    billed = BilledSession(
        session_id="s-1",
        station_id="garage",
        station_name="Garage",
        started_at=_START,
        ended_at=_START + timedelta(hours=4),
        time_zone="Europe/Vienna",
        solar_wh=Decimal(12346),
        grid_wh=Decimal(12346),
        meter_start_wh=None,
        meter_stop_wh=None,
        estimated_wh=Decimal(0),
        tariff_name="Home",
        tariff_version=1,
        lines=lines,
    )
    net = Decimal("2.46") * sessions
    vat = Decimal("0.49") * sessions
    return Bill(
        number="SR-2026-000001",
        issued_on=date(2026, 11, 23),
        currency="EUR",
        tax_included=False,
        supplier=Party(name="Supplier", address=("1 Road", "Town"), vat_id="ATU1"),
        customer=Party(name="Driver"),
        sessions=tuple(
            replace(billed, session_id=f"s-{number}") for number in range(sessions)
        ),
        vat_lines=(
            VatLine(rate_percent=Decimal(20), net=net, vat=vat, gross=net + vat),
        ),
        net=net,
        vat=vat,
        total=net + vat,
    )
