"""The bill as a document: what it says, on how many pages, in which language."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader
from reportlab.graphics.shapes import Drawing, Polygon, String
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont
from reportlab.pdfbase.ttfonts import TTFont

from billing_service.adapters.pdf import PdfBillRenderer, evidence_in, style
from billing_service.adapters.pdf.bidi import BidiParagraph, visual
from billing_service.adapters.pdf.chart import power_chart
from billing_service.adapters.pdf.formats import Formats
from billing_service.adapters.pdf.words import LANGUAGES
from billing_service.domain.bill import Bill, Party, Terms
from billing_service.domain.billing import (
    credit_note,
    make_bill,
    make_collective_bill,
    with_terms,
)
from billing_service.domain.cdr import Cdr, Estimate
from billing_service.domain.period import Source
from billing_service.domain.proof import ChartPoint
from billing_service.domain.rating import rate
from billing_service.domain.session import Session
from billing_service.domain.tariff import Dimension, PriceLimit
from tests.domain.rating_builders import (
    START,
    at,
    element,
    energy,
    period,
    price,
    rated,
    tariff,
)
from tests.domain.test_billing import House, session

SUPPLIER = Party(
    name="Sun Farm",
    address=("Road 1", "12345 Town"),
    vat_id="DE123456789",
    email="bills@example.org",
)
CUSTOMER = Party(name="Łukasz Żółć-Παπαδόπουλος", address=("ul. Długa 7", "Київ"))
HOME = tariff(
    element(energy("0.12", "19"), source=Source.SOLAR),
    element(energy("0.249", "19"), start_time="22:00", end_time="06:00"),
    element(energy("0.3425", "19")),
    element(
        price(Dimension.FLAT, "0.50", "19"),
        price(Dimension.PARKING_TIME, "1.20", "7", 300),
    ),
    name="Home",
    version=3,
)
CDR = rated(
    HOME,
    period(0, 60, 6000, Source.SOLAR),
    period(60, 90, 1500),
    period(90, 120, 500, estimated=True),
    period(120, 158, charging=False, source=Source.NONE),
    zone="Europe/Berlin",
)
CHART = tuple(
    ChartPoint(
        at=at(minute + 0.5),
        solar_w=6000.0 if minute < 60 else 0.0,
        grid_w=3000.0 if 60 <= minute < 90 else 0.0,
    )
    for minute in range(158)
)


def bill(cdr: Cdr = CDR, priced: Session | None = None) -> Bill:
    """A bill of one session."""
    return make_bill(
        number="R2026-000042",
        issued_on=date(2026, 6, 16),
        session=priced
        or session(
            HOME,
            solar_wh=Decimal(6000),
            grid_wh=Decimal(2000),
            estimated_wh=Decimal(500),
            meter_start_wh=Decimal(1234567),
            meter_stop_wh=Decimal(1242567),
        ),
        station=House(),
        cdr=cdr,
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )


def pages(document: bytes) -> list[str]:
    """The text of each page, every kind of space as a plain one."""
    return [
        " ".join(page.extract_text().split())
        for page in PdfReader(BytesIO(document)).pages
    ]


@pytest.fixture(autouse=True, scope="module")
def _fonts() -> None:
    """Have the fonts there, as the renderer does, whichever test is first."""
    style.register_fonts()


def test_a_bill_says_what_the_law_wants_on_one_page() -> None:
    """Parties, number, dates, station, registers, energies, lines, VAT, total, tariff, rounding."""
    (text,) = pages(PdfBillRenderer()(bill(), CHART))
    for wanted in (
        "Bill",
        "Sun Farm",
        "Road 1",
        "12345 Town",
        "VAT ID DE123456789",
        "Łukasz Żółć-Παπαδόπουλος",
        "Київ",
        "R2026-000042",
        "16 Jun 2026",
        "House (house)",
        "15 Jun 2026, 14:00 – 16:38 (Europe/Berlin)",
        "2 h 38 min",
        "1,234.567 kWh → 1,242.567 kWh",
        "Home, version 3",
        "75%",
        "Solar energy 6.000 kWh €0.12 / kWh 19% €0.72",
        "Grid energy 2.000 kWh €0.3425 / kWh 19% €0.69",
        "Parking time 40 min €1.20 / h 7% €0.80",
        "Start fee 1 €0.50 / session 19% €0.50",
        "Net amount €2.71",
        "VAT 19% on €1.91 €0.36",
        "VAT 7% on €0.80 €0.06",
        "Total €3.13",
        "15 Jun 2026, 15:30 – 16:00: 0.500 kWh",
        "ROUND_HALF_UP",
        "Page 1 of 1",
    ):
        assert wanted in text


def test_the_same_bill_has_the_same_bytes() -> None:
    """So that a printed bill can be compared with the stored one."""
    assert PdfBillRenderer()(bill(), CHART) == PdfBillRenderer()(bill(), CHART)


def test_nothing_is_computed_on_paper() -> None:
    """The document prints the bill's numbers, even ones that do not add up."""
    wrong = replace(bill(), total=Decimal("77.77"), net=Decimal("5.55"))
    (text,) = pages(PdfBillRenderer()(wrong, CHART))
    assert "Total €77.77" in text
    assert "Net amount €5.55" in text


@pytest.mark.parametrize(
    ("locale", "wanted"),
    [
        ("de", ["Rechnung", "16.06.2026", "0,3425 € / kWh", "Gesamtbetrag 3,13 €"]),
        ("fr_FR", ["Facture", "16 juin 2026", "TVA 19 % sur 1,91 €", "Total 3,13 €"]),
        ("en-US", ["Jun 16, 2026", "2:00 PM – 4:38 PM", "€3.13"]),
        ("pl", ["Bill", "16 cze 2026", "3,13 €"]),
    ],
)
def test_money_and_dates_are_written_by_locale(locale: str, wanted: list[str]) -> None:
    """Words come in three languages; formats in every one."""
    (text,) = pages(PdfBillRenderer(locale)(bill(), CHART))
    assert [part for part in wanted if part not in text] == []


def test_an_unknown_locale_is_refused() -> None:
    """At start, not when the first bill is due."""
    with pytest.raises(ValueError, match="no locale"):
        PdfBillRenderer("xx_YY")


def test_every_language_says_everything() -> None:
    """No word is empty."""
    for words in LANGUAGES.values():
        assert all(getattr(words, field.name) for field in fields(words))


def test_a_document_says_what_it_is() -> None:
    """Title, author, day of issue and language for readers and screen readers."""
    reader = PdfReader(BytesIO(PdfBillRenderer("de")(bill(), CHART)))
    assert reader.metadata is not None
    assert reader.metadata.title == "Rechnung R2026-000042"
    assert reader.metadata.author == "Sun Farm"
    assert str(reader.root_object["/Lang"]) == "de"
    created = reader.metadata.creation_date
    assert created is not None
    assert created.date() == bill().issued_on


@pytest.mark.parametrize(
    "name",
    [
        "<b>Bobby</b> & <font color='red'>Sons</font>",
        '<img src="file:///etc/passwd"/>',
        "<para>",
        "&lt;i&gt;",
    ],
)
def test_markup_in_a_name_is_shown_and_not_obeyed(name: str) -> None:
    """Whoever chooses a name does not lay out the bill."""
    marked = replace(
        bill(),
        supplier=replace(SUPPLIER, name=name, address=(name,)),
        customer=replace(CUSTOMER, name=name),
        sessions=tuple(
            replace(s, station_name=name, tariff_name=name) for s in bill().sessions
        ),
    )
    (text,) = pages(PdfBillRenderer()(marked, CHART))
    # Supplier twice and once in the footer, customer, station, tariff.
    assert text.replace(" ", "").count(name.replace(" ", "")) == 6


@pytest.mark.parametrize("name", ["Long" * 150, "A rather long name " * 30])
def test_long_names_wrap(name: str) -> None:
    """With and without spaces, and nothing of them is lost."""
    long = replace(
        bill(),
        customer=replace(CUSTOMER, name=name),
        sessions=tuple(replace(s, station_name=name) for s in bill().sessions),
    )
    text = "".join(pages(PdfBillRenderer()(long, CHART))).replace(" ", "")
    assert text.count(name.replace(" ", "")) == 2


def test_a_heading_stays_with_its_chart() -> None:
    """Long names that push the chart to the next page take its heading along."""
    name = "A rather long name " * 30
    for lines in range(1, 12):
        long = replace(bill(), customer=replace(CUSTOMER, address=(name,) * lines))
        texts = pages(PdfBillRenderer()(long, CHART))
        assert sum("Charging power" in text for text in texts) == 1
        assert all(("Charging power" in t) == ("kW" in t.split()) for t in texts)


def test_control_and_direction_characters_are_dropped() -> None:
    """A name cannot turn the amounts that follow it around."""
    turned = replace(bill(), customer=Party(name="Eve\u202e\x07\nMallory"))
    (text,) = pages(PdfBillRenderer()(turned, CHART))
    assert "Eve Mallory" in text


def test_a_month_repeats_its_header_on_every_page() -> None:
    """40 sessions: each whole on a page, with its own sum; one total at the end."""
    month = make_collective_bill(
        number="R2026-000043",
        issued_on=date(2026, 7, 1),
        rated=[
            (
                session(HOME, id=f"s{n}"),
                House(),
                replace(
                    CDR,
                    started_at=START + timedelta(hours=15 * n),
                    ended_at=START + timedelta(hours=15 * n + 3),
                ),
            )
            for n in range(40)
        ],
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )
    texts = pages(PdfBillRenderer()(month, ()))
    assert 3 <= len(texts) <= 8
    table_pages = [text for text in texts if "Solar energy" in text]
    assert all("Description Quantity Unit price VAT Amount" in t for t in table_pages)
    whole = " ".join(texts)
    assert whole.count("Start fee") == 40
    # Each session's sum, beside the sums of its lines.
    assert whole.count("€2.71") == 40
    for text in table_pages:
        assert text.count("Solar energy") == text.count("Start fee")
    assert "40 charging sessions" in texts[0]
    assert f"Page {len(texts)} of {len(texts)}" in texts[-1]


def test_a_session_that_cost_nothing_is_a_proper_bill() -> None:
    """No energy, no lines, no power."""
    nothing = tariff(element(energy("0.1")))
    cdr = rate([], nothing, "UTC", started_at=START, ended_at=at(5))
    empty = bill(cdr, session(nothing, solar_wh=Decimal(0), grid_wh=Decimal(0)))
    idle = [ChartPoint(at=at(n), solar_w=0.0, grid_w=0.0) for n in range(5)]
    for chart in idle, []:
        (text,) = pages(PdfBillRenderer()(empty, chart))
        assert "Nothing to charge for." in text
        assert "Total €0.00" in text
    assert "No power readings." in pages(PdfBillRenderer()(empty, idle))[0]


def test_a_credit_note_names_its_bill() -> None:
    """With negative amounts and a real minus sign."""
    note = credit_note(bill(), number="C2026-000001", issued_on=date(2026, 6, 20))
    (text,) = pages(PdfBillRenderer()(note, CHART))
    assert "Credit note" in text
    assert "Corrects R2026-000042" in text
    assert "Total −€3.13" in text


@pytest.mark.parametrize("locale", sorted(LANGUAGES))
def test_the_title_of_a_document_is_not_broken(locale: str) -> None:
    """Also where it is one long word."""
    note = credit_note(bill(), number="C2026-000001", issued_on=date(2026, 6, 20))
    for document in (bill(), note):
        title = LANGUAGES[locale].of_kind(document.kind)
        (page,) = PdfReader(BytesIO(PdfBillRenderer(locale)(document, ()))).pages
        assert title in [line.strip() for line in page.extract_text().splitlines()]


def test_adjustments_and_prices_with_vat_are_explained() -> None:
    """The line of a maximum price has an amount only; the note says that VAT is included."""
    priced = tariff(
        element(energy("1", "19")),
        max_price=PriceLimit(excl_vat=Decimal(2)),
        tax_included=True,
    )
    (text,) = pages(
        PdfBillRenderer()(bill(rated(priced, period(0, 60, 5000)), session(priced)), ())
    )
    assert "Adjustment to the maximum price 19% −€2.62" in text
    assert "Prices and amounts include VAT." in text


def drawn(drawing: Drawing) -> tuple[list[Polygon], list[str]]:
    """The areas and the texts of a chart."""
    shapes = drawing.contents
    return (
        [shape for shape in shapes if isinstance(shape, Polygon)],
        [shape.text for shape in shapes if isinstance(shape, String)],
    )


def area(polygon: Polygon) -> float:
    """The area of a polygon (shoelace formula)."""
    points = list(zip(polygon.points[::2], polygon.points[1::2], strict=True))
    return abs(
        sum(
            x1 * y2 - x2 * y1
            for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True)
        )
        / 2
    )


def test_the_chart_s_areas_are_the_energies() -> None:
    """6 kWh of solar and 1.5 of grid: areas of 4 to 1, in their colours."""
    chart = power_chart(CHART, (), "UTC", Formats("en_GB"), START, at(158))
    areas: dict[str, float] = {}
    for polygon in drawn(chart)[0]:
        assert polygon.fillColor is not None
        color = polygon.fillColor.hexval()
        areas[color] = areas.get(color, 0.0) + area(polygon)
    assert set(areas) == {style.SOLAR.hexval(), style.GRID.hexval()}
    ratio = areas[style.SOLAR.hexval()] / areas[style.GRID.hexval()]
    assert ratio == pytest.approx(4, rel=0.01)


def test_sources_that_flow_together_are_stacked() -> None:
    """Grid stands upon solar."""
    both = [ChartPoint(at=at(n + 0.5), solar_w=3000.0, grid_w=1000.0) for n in range(9)]
    chart = power_chart(both, (), "UTC", Formats("en_GB"), START, at(9))
    solar, grid = drawn(chart)[0]
    assert min(grid.points[1::2]) == pytest.approx(max(solar.points[1::2]))
    assert area(solar) == pytest.approx(3 * area(grid))


def test_a_gap_is_left_white_and_an_estimate_is_marked() -> None:
    """No power is drawn where none was seen."""
    gap = [
        ChartPoint(at=at(n + 0.5), solar_w=0.0 if 3 <= n < 6 else 2000.0, grid_w=0.0)
        for n in range(9)
    ]
    estimate = Estimate(started_at=at(3), ended_at=at(6), energy_wh=Decimal(100))
    chart = power_chart(gap, (estimate,), "UTC", Formats("en_GB"), START, at(9))
    areas, texts = drawn(chart)
    assert len(areas) == 2
    assert "estimated" in texts


def test_the_axis_is_in_the_station_s_time() -> None:
    """On the night clocks go back, 02:00 comes twice; on a day's scale midnight has its date."""
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    night = [
        ChartPoint(at=start + timedelta(minutes=30 * n), solar_w=0.0, grid_w=1.0)
        for n in range(12)
    ]
    chart = power_chart(
        night,
        (),
        "Europe/Berlin",
        Formats("en_GB"),
        start,
        start + timedelta(hours=6),
    )
    _, texts = drawn(chart)
    assert [t for t in texts if ":" in t] == [
        "00:00",
        "01:00",
        "02:00",
        "02:00",
        "03:00",
        "04:00",
        "05:00",
    ]
    assert "25 Oct" in texts


def test_two_days_have_round_local_times_on_both_sides_of_a_change() -> None:
    """Steps of several hours follow the wall clock."""
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    points = [
        ChartPoint(at=start + timedelta(hours=n), solar_w=1.0, grid_w=0.0)
        for n in range(40)
    ]
    chart = power_chart(
        points,
        (),
        "Europe/Berlin",
        Formats("en_GB"),
        start,
        start + timedelta(hours=40),
    )
    _, texts = drawn(chart)
    times = [t for t in texts if ":" in t]
    assert times[:3] == ["18:00", "00:00", "06:00"]
    assert {int(t[:2]) % 6 for t in times} == {0}


def test_a_session_of_no_length_is_drawn() -> None:
    """Plugged in and out within the same second."""
    points = [ChartPoint(at=START, solar_w=5.0, grid_w=0.0)]
    assert drawn(power_chart(points, (), "UTC", Formats("de"), START, START))[1]


TERMS = Terms(
    verify_at="https://charging.example.org",
    co2_g_per_kwh=Decimal(240),
    vat_note="No VAT is charged: small business.",
    payment_days=14,
    payment_info="IBAN AT61 1904 3002 3457 3201",
)
SHA256 = "0123456789abcdef" * 4


def test_what_a_supplier_says_on_every_bill() -> None:
    """When and how to pay, and the CO₂ avoided with its factor: 6 kWh at 240 g."""
    (text,) = pages(PdfBillRenderer()(with_terms(bill(), TERMS), CHART, SHA256))
    for wanted in (
        "To be paid by 30 Jun 2026",
        "IBAN AT61 1904 3002 3457 3201",
        "about 1.44 kg, which is 6.000 kWh of solar energy × 240 g/kWh",
        "https://charging.example.org/verify/",
    ):
        assert wanted in text
    assert "small business" not in text


def test_why_there_is_no_vat() -> None:
    """The note stands where a line has none."""
    cdr = rated(tariff(element(energy("0.25"))), period(0, 60, 6000))
    free = with_terms(bill(cdr, session(tariff(element(energy("0.25"))))), TERMS)
    (text,) = pages(PdfBillRenderer()(free, CHART, SHA256))
    assert "No VAT is charged: small business." in text


def test_a_credit_note_asks_for_no_money() -> None:
    """It is not to be paid, and avoids nothing."""
    note = credit_note(
        with_terms(bill(), TERMS), number="CN-1", issued_on=date(2026, 6, 17)
    )
    text = " ".join(pages(PdfBillRenderer()(note, (), SHA256)))
    assert "To be paid by" not in text
    assert "IBAN" not in text
    assert "CO₂" not in text


def test_the_hash_of_the_evidence_is_in_the_file() -> None:
    """It is read back from the bytes; a file without one carries none."""
    document = PdfBillRenderer()(with_terms(bill(), TERMS), CHART, SHA256)
    assert evidence_in(document) == SHA256
    assert evidence_in(PdfBillRenderer()(bill(), CHART)) is None


def test_a_bill_keeps_its_language() -> None:
    """Another setting, years later, prints the same bytes."""
    german = with_terms(bill(), replace(TERMS, locale="de"))
    once = PdfBillRenderer("en")(german, CHART, SHA256)
    assert once == PdfBillRenderer("fr")(german, CHART, SHA256)
    assert "Rechnung" in pages(once)[0]


def test_nobody_reads_their_name_backwards() -> None:
    """Arabic letters are joined; words in both directions stand in the order they are seen in."""
    assert visual("Anna & Bob") == "Anna & Bob"
    assert visual("שלום (EV) 12") == "12 (EV) םולש"
    assert visual("שלום (אב) 12") == "12 (בא) םולש"
    # meem, hah, tah and teh marbuta in the forms that join them
    assert visual("محطة") == "".join(
        chr(each) for each in (0xFE94, 0xFEC4, 0xFEA4, 0xFEE3)
    )
    people = replace(CUSTOMER, name="محطة الشحن", address=("רחוב הרצל 7",))
    document = PdfBillRenderer()(replace(bill(), customer=people), CHART)
    (page,) = PdfReader(BytesIO(document)).pages
    # pypdf puts Hebrew back into the order it is read in.
    assert "רחוב הרצל" in page.extract_text()


def test_long_text_in_both_directions_breaks_as_it_is_read() -> None:
    """Its first words stand on its first line."""
    words = " ".join(f"מילה{number}" for number in range(40))
    found = BidiParagraph(words, style.TEXT)
    found.wrap(60 * mm, 500)
    lines = found.text.split("<br/>")
    assert len(lines) > 3
    assert "0" in lines[0]
    assert "39" in lines[-1]


def test_the_fonts_have_the_letters() -> None:
    """Latin, Greek, Cyrillic, Hebrew and Arabic in all its forms, in both weights."""
    wanted = set(visual("محطة الشحن الشمسية 2026")) | set("ŁŻŵßĞșЖЇΩאבגת€£¥₺₴₹₂×·–…")
    for name in (style.REGULAR, style.BOLD):
        font = getFont(name)
        assert isinstance(font, TTFont)
        assert not [c for c in wanted if ord(c) not in font.face.charToGlyph]
