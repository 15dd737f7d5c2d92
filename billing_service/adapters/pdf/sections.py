"""The parts of a bill, top to bottom, as reportlab flowables."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from billing_service.adapters.pdf import fallback, style
from billing_service.adapters.pdf.chart import box
from billing_service.adapters.pdf.formats import Formats
from billing_service.adapters.pdf.style import paragraph
from billing_service.domain.bill import Bill, BilledSession, BillLine, Party
from billing_service.domain.period import Source

type Cell = Flowable | str | list[Flowable]
type Row = list[Cell]
type Command = tuple[object, ...]

_QR = 22 * mm
_FACTS = 62 * mm

_PLAIN: list[Command] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


def header(bill: Bill, formats: Formats) -> Iterator[Flowable]:
    """Who bills whom, for what, when."""
    words = formats.words
    supplier = [
        paragraph(bill.supplier.name, style.SUPPLIER),
        *_address(bill.supplier, formats, style.SMALL),
    ]
    facts = [
        (words.number, bill.number),
        (words.date_of_issue, formats.day(bill.issued_on)),
        (words.period, formats.days(*_period(bill))),
    ]
    if bill.due_on is not None:
        facts.append((words.due, formats.day(bill.due_on)))
    if bill.corrects is not None:
        facts.append((words.corrects, bill.corrects))
    kind = words.of_kind(bill.kind)
    title: list[Flowable] = [
        paragraph(kind, style.fitting(kind, style.TITLE, _FACTS)),
        Spacer(0, 2 * mm),
        _pairs(facts, _FACTS, value=style.TEXT_RIGHT),
    ]
    # A long name fills its column to the edge.
    between = 4 * mm
    yield _columns(
        [supplier, [], title], [style.WIDTH - _FACTS - between, between, _FACTS]
    )
    yield Spacer(0, 6 * mm)
    yield paragraph(words.billed_to, style.LABEL)
    yield paragraph(bill.customer.name or "–", style.TEXT_BOLD)
    yield from _address(bill.customer, formats, style.TEXT)
    yield Spacer(0, 5 * mm)


def energy(bill: Bill, formats: Formats) -> Flowable:
    """How much, from where, and the total to pay: what a driver looks for first."""
    words = formats.words
    share = bill.solar_percent
    cells = [
        (words.solar, formats.kwh(bill.solar_wh), style.SOLAR),
        (words.grid, formats.kwh(bill.grid_wh), style.GRID),
        (
            words.solar_share,
            "–" if share is None else formats.percent(Decimal(share)),
            None,
        ),
        (words.total, formats.money(bill.total, bill.currency), None),
    ]
    row: Row = []
    for label, value, color in cells:
        dot = (
            ""
            if color is None
            else f'<font color="{color.hexval()}">\N{BLACK CIRCLE}</font> '
        )
        row.append(
            [
                Paragraph(dot + style.safe(label), style.LABEL),
                paragraph(value, style.FIGURE),
            ]
        )
    figures = Table([row], colWidths=[style.WIDTH / 4] * 4)
    _styled(
        figures,
        ("BACKGROUND", (0, 0), (-1, -1), style.PANEL),
        ("LEFTPADDING", (0, 0), (-1, -1), 4 * mm),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 3 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.4 * mm),
    )
    return KeepTogether([figures, _share_bar(bill)])


def session_facts(session: BilledSession, formats: Formats) -> Flowable:
    """Where, when, and what the meter said."""
    left, right = _facts(session, formats)
    return _columns(
        [[_pairs(left, style.WIDTH / 2 - 4 * mm)], [_pairs(right, style.WIDTH / 2)]],
        [style.WIDTH / 2, style.WIDTH / 2],
    )


def lines(bill: Bill, formats: Formats) -> Flowable:
    """Every line, under its session where there are several."""
    words = formats.words
    rows: list[Row] = [
        [
            paragraph(words.description, style.LABEL),
            paragraph(words.quantity, style.LABEL_RIGHT),
            paragraph(words.unit_price, style.LABEL_RIGHT),
            paragraph(words.vat, style.LABEL_RIGHT),
            paragraph(words.amount, style.LABEL_RIGHT),
        ],
        # The rule is a row: a line would be overdrawn by that of the row before a page break.
        [""] * 5,
    ]
    commands: list[Command] = [
        *_PLAIN,
        ("BOTTOMPADDING", (0, 0), (-1, 0), 1.5 * mm),
        ("BACKGROUND", (0, 1), (-1, 1), style.INK),
        ("TOPPADDING", (0, 2), (-1, -1), 1.5 * mm),
        ("BOTTOMPADDING", (0, 2), (-1, -1), 1.5 * mm),
    ]
    several = len(bill.sessions) > 1
    if several:
        commands += [
            ("TOPPADDING", (0, 2), (-1, -1), 0.8 * mm),
            ("BOTTOMPADDING", (0, 2), (-1, -1), 0.8 * mm),
        ]
    for session in bill.sessions:
        first = len(rows)
        if several:
            rows.append(_session_row(session, bill.currency, formats))
            commands += [
                ("BACKGROUND", (0, first), (-1, first), style.PANEL),
                ("SPAN", (0, first), (3, first)),
                ("LEFTPADDING", (0, first), (0, first), 2 * mm),
                ("RIGHTPADDING", (-1, first), (-1, first), 2 * mm),
            ]
        rows += [_line(line, bill.currency, formats) for line in session.lines]
        if not session.lines:
            rows.append([paragraph(words.nothing, style.SMALL), "", "", "", ""])
        last = len(rows) - 1
        if several:
            commands += [
                ("NOSPLIT", (0, first), (-1, last)),
                ("LEFTPADDING", (0, first + 1), (0, last), 2 * mm),
                ("RIGHTPADDING", (-1, first + 1), (-1, last), 2 * mm),
            ]
        ruled = last if several else first
        commands.append(("LINEBELOW", (0, ruled), (-1, last), 0.4, style.LINE))
    widths = [style.WIDTH - 107 * mm, 29 * mm, 36 * mm, 15 * mm, 27 * mm]
    heights = [None, 0.8, *[None] * (len(rows) - 2)]
    table = Table(rows, colWidths=widths, rowHeights=heights, repeatRows=2)
    return _styled(table, *commands)


def totals(bill: Bill, sha256: str | None, formats: Formats) -> Flowable:
    """Net, VAT per rate, total; beside them where the bill can be verified."""
    words = formats.words

    def money(amount: Decimal) -> str:
        return formats.money(amount, bill.currency)

    rows: list[Row] = [
        [paragraph(words.net), paragraph(money(bill.net), style.TEXT_RIGHT)]
    ]
    for line in bill.vat_lines:
        if line.rate_percent is None:
            label = f"{words.no_vat}: {money(line.net)}"
            label = label[0].upper() + label[1:]
        else:
            rate = formats.percent(line.rate_percent)
            label = words.vat_on.format(rate=rate, net=money(line.net))
        rows.append([paragraph(label), paragraph(money(line.vat), style.TEXT_RIGHT)])
    rows.append(
        [
            paragraph(words.total, style.TOTAL),
            paragraph(money(bill.total), style.TOTAL_RIGHT),
        ]
    )
    table = Table(rows, colWidths=[58 * mm, 36 * mm], hAlign="RIGHT")
    _styled(
        table,
        *_PLAIN,
        ("TOPPADDING", (0, 0), (-1, -1), 1 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1 * mm),
        ("LINEABOVE", (0, -1), (-1, -1), 0.8, style.INK),
        ("TOPPADDING", (0, -1), (-1, -1), 2 * mm),
    )
    proof: list[Flowable] = []
    if sha256 is not None:
        proof = [Spacer(0, 1 * mm), *_verification(bill, sha256, formats)]
    beside = _columns([proof, [table]], [style.WIDTH - 94 * mm, 94 * mm])
    return KeepTogether([Spacer(0, 3 * mm), beside])


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value of plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(_texts, value))


def notes(bill: Bill, formats: Formats) -> Iterator[Flowable]:
    """How it was measured and rounded."""
    words = formats.words
    estimates = [
        words.estimate_item.format(
            time=formats.span(
                estimate.started_at, estimate.ended_at, session.time_zone
            ),
            energy=formats.kwh(estimate.energy_wh),
        )
        for session in bill.sessions
        for estimate in session.estimates
    ]
    yield Spacer(0, 5 * mm)
    if estimates:
        yield paragraph(words.estimated_note, style.SMALL)
        yield paragraph("; ".join(estimates) + ".", style.SMALL)
        yield Spacer(0, 1.2 * mm)
    prices = words.gross_prices if bill.tax_included else words.net_prices
    rounding = words.rounding_note.format(mode=bill.rounding)
    yield paragraph(f"{prices} {rounding}", style.SMALL)
    if fallback.missing(map(style.clean, _texts(asdict(bill))), style.REGULAR):
        yield Spacer(0, 1.2 * mm)
        yield paragraph(words.no_font, style.SMALL)
    if bill.co2_avoided_g is not None and bill.co2_g_per_kwh is not None:
        yield Spacer(0, 1.2 * mm)
        avoided = words.co2_note.format(
            mass=formats.kilograms(bill.co2_avoided_g),
            energy=formats.kwh(bill.solar_wh),
            factor=formats.plain_number(float(bill.co2_g_per_kwh)),
        )
        yield paragraph(avoided, style.SMALL)
    for note in filter(None, (*bill.notes, bill.payment_info)):
        yield Spacer(0, 1.2 * mm)
        yield paragraph(note, style.TEXT)


def _verification(bill: Bill, sha256: str, formats: Formats) -> list[Flowable]:
    """Where everyone may ask what is proven of this bill, as text and as a QR code."""
    words = formats.words
    address = f"{bill.verify_at}/verify/"
    text: list[Flowable] = [
        paragraph(words.verify, style.SMALL_BOLD),
        *([paragraph(address, style.TINY)] if bill.verify_at else []),
        paragraph(f"{sha256[:32]} {sha256[32:]}", style.TINY),
    ]
    if not bill.verify_at:
        return text
    # Level L: the longest addresses stay large enough to read, and paper is seldom torn.
    code = QrCodeWidget(
        address + sha256, barLevel="L", barWidth=_QR, barHeight=_QR, barBorder=0
    )
    code.barFillColor = style.INK
    drawing = Drawing(_QR, _QR)
    drawing.add(code)
    width = style.WIDTH - 94 * mm - _QR - 7 * mm
    return [_columns([[drawing], text], [_QR + 3 * mm, width])]


def _facts(
    session: BilledSession, formats: Formats
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    words = formats.words
    station = session.station_name
    if session.station_id != station:
        station = f"{station} ({session.station_id})"
    time = formats.span(session.started_at, session.ended_at, session.time_zone)
    version = words.version.format(version=session.tariff_version)
    left = [
        (words.station, station),
        (words.time, f"{time} ({session.time_zone})"),
        (words.duration, formats.duration(session.ended_at - session.started_at)),
    ]
    right = [
        (words.meter, _registers(session, formats)),
        (words.energy, formats.kwh(session.energy_wh)),
        (words.tariff, f"{session.tariff_name}, {version}"),
    ]
    if session.estimated_wh:
        right.insert(
            2, (words.estimated.capitalize(), formats.kwh(session.estimated_wh))
        )
    return left, right


def _registers(session: BilledSession, formats: Formats) -> str:
    start, stop = (
        "–" if wh is None else formats.kwh(wh)
        for wh in (session.meter_start_wh, session.meter_stop_wh)
    )
    return "–" if start == stop == "–" else f"{start} \N{RIGHTWARDS ARROW} {stop}"


def _session_row(session: BilledSession, currency: str, formats: Formats) -> Row:
    words = formats.words
    when = formats.span(session.started_at, session.ended_at, session.time_zone)
    version = words.version.format(version=session.tariff_version)
    details = [
        session.station_name,
        f"{session.tariff_name}, {version}",
        _registers(session, formats),
    ]
    if session.estimated_wh:
        details.append(f"{words.estimated}: {formats.kwh(session.estimated_wh)}")
    return [
        [
            paragraph(when, style.TEXT_BOLD),
            paragraph(" · ".join(details), style.SMALL),
        ],
        "",
        "",
        "",
        paragraph(formats.money(session.amount, currency), style.TEXT_BOLD_RIGHT),
    ]


def _line(line: BillLine, currency: str, formats: Formats) -> Row:
    words = formats.words
    color = {Source.SOLAR: style.SOLAR, Source.GRID: style.GRID}.get(
        line.source or Source.NONE
    )
    text = style.safe(words.of_line(line))
    if color is not None:
        text = f'<font color="{color.hexval()}">\N{BLACK CIRCLE}</font> {text}'
    if line.when:
        text += (
            f' <font size="{style.SMALL.fontSize}" color="{style.MUTED.hexval()}">'
            f"{style.safe(line.when)}</font>"
        )
    if line.limit is not None:
        quantity, price = "", ""
    else:
        quantity = formats.quantity(line)
        price = f"{formats.price(line.unit_price, currency)} / {formats.unit(line)}"
    rate = "–" if line.vat_percent is None else formats.percent(line.vat_percent)
    return [
        Paragraph(text, style.TEXT),
        paragraph(quantity, style.TEXT_RIGHT),
        paragraph(price, style.TEXT_RIGHT),
        paragraph(rate, style.TEXT_RIGHT),
        paragraph(formats.money(line.amount, currency), style.TEXT_RIGHT),
    ]


def _share_bar(bill: Bill) -> Drawing:
    drawing = Drawing(style.WIDTH, 1.4 * mm)
    share = float(bill.solar_wh / bill.energy_wh) if bill.energy_wh else 0.0
    for x, width, fill in (
        (0.0, share, style.SOLAR),
        (share, 1 - share, style.GRID if bill.energy_wh else style.LINE),
    ):
        if width:
            bar = box(x * style.WIDTH, 0, width * style.WIDTH, 1.4 * mm, fill)
            drawing.add(bar)
    return drawing


def _address(
    party: Party, formats: Formats, text_style: ParagraphStyle
) -> list[Flowable]:
    contact = []
    if party.vat_id:
        contact.append(f"{formats.words.vat_id} {party.vat_id}")
    if party.email:
        contact.append(party.email)
    return [paragraph(text, text_style) for text in chain(party.address, contact)]


def _period(bill: Bill) -> tuple[date, date]:
    first = min(
        s.started_at.astimezone(ZoneInfo(s.time_zone)).date() for s in bill.sessions
    )
    last = max(
        s.ended_at.astimezone(ZoneInfo(s.time_zone)).date() for s in bill.sessions
    )
    return first, last


def _pairs(
    pairs: Sequence[tuple[str, str]],
    width: float,
    value: ParagraphStyle = style.TEXT,
) -> Table:
    """Labels beside values, on one baseline."""
    table = Table(
        [[paragraph(a, style.LABEL), paragraph(b, value)] for a, b in pairs],
        colWidths=[28 * mm, width - 28 * mm],
        hAlign="LEFT",
    )
    drop = style.TEXT.fontSize - style.LABEL.fontSize
    return _styled(
        table,
        *_PLAIN,
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0.8 * mm),
        ("TOPPADDING", (0, 0), (0, -1), drop),
    )


def _styled(table: Table, *commands: Command) -> Table:
    table.setStyle(TableStyle(list(commands)))  # type: ignore[arg-type]
    return table


def _columns(cells: Sequence[Sequence[Flowable]], widths: Sequence[float]) -> Table:
    table = Table([[list(cell) for cell in cells]], colWidths=list(widths))
    return _styled(table, *_PLAIN)
