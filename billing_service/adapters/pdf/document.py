"""Puts a bill on A4 pages."""

import re
from collections.abc import Sequence
from datetime import date
from html import escape
from io import BytesIO
from threading import Lock
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
)

from billing_service.adapters.pdf import fallback, sections, style
from billing_service.adapters.pdf.bidi import visual
from billing_service.adapters.pdf.chart import power_chart
from billing_service.adapters.pdf.formats import Formats
from billing_service.adapters.pdf.style import paragraph
from billing_service.domain.bill import Bill
from billing_service.domain.proof import ChartPoint

EVIDENCE = "solarrally-evidence-sha256:"
"""What the hash of a bill's evidence follows in the PDF's keywords."""

_FOOTER = 10 * mm
_ALONE = Lock()
"""reportlab's fonts are the process's: two documents at once would change each other's."""


class PdfBillRenderer:
    """The ``BillRenderer`` port. The same bill and chart give the same bytes, always.

    Where a bill has letters that the shipped fonts lack, the machine's fonts count too.
    """

    def __init__(self, locale: str = "en") -> None:
        """Take the locale to print in; words exist in English, German and French.

        Raises ValueError for an unknown locale.
        """
        self._locale = locale
        self._formats = {locale: Formats(locale)}

    def __call__(
        self, bill: Bill, chart: Sequence[ChartPoint], sha256: str | None = None
    ) -> bytes:
        """Return a PDF in the bill's locale. ``sha256`` stands on it, and in its keywords."""
        with _ALONE:
            style.register_fonts()
            fallback.begin()
            return self._print(bill, chart, sha256)

    def _print(
        self, bill: Bill, chart: Sequence[ChartPoint], sha256: str | None
    ) -> bytes:
        locale = bill.locale or self._locale
        formats = self._formats.setdefault(locale, Formats(locale))
        title = f"{formats.words.of_kind(bill.kind)} {bill.number}"
        buffer = BytesIO()
        document = BaseDocTemplate(
            buffer,
            pagesize=A4,
            title=style.clean(title),
            author=style.clean(bill.supplier.name),
            creator="SolarRally",
            keywords=[] if sha256 is None else [f"{EVIDENCE}{sha256}"],
            lang=formats.language,
            invariant=1,
        )
        frame = Frame(
            style.MARGIN,
            style.MARGIN + 4 * mm,
            style.WIDTH,
            style.PAGE_HEIGHT - 2 * style.MARGIN - 2 * mm,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        document.addPageTemplates([PageTemplate(frames=[frame])])
        footer = _footer(bill, formats)
        document.build(
            _story(bill, chart, sha256, formats),
            canvasmaker=lambda *args, **kwargs: _NumberedCanvas(
                *args,
                footer=footer,
                page=formats.words.page,
                issued_on=bill.issued_on,
                **kwargs,
            ),
        )
        return buffer.getvalue()


def evidence_in(document: bytes) -> str | None:
    """Return the hash of the evidence that a bill's PDF carries, None when it carries none."""
    found = re.search(rb"%s([0-9a-f]{64})\b" % EVIDENCE.encode(), document)
    return None if found is None else found[1].decode()


def _story(
    bill: Bill, chart: Sequence[ChartPoint], sha256: str | None, formats: Formats
) -> list[Flowable]:
    words = formats.words
    story = [*sections.header(bill, formats), sections.energy(bill, formats)]
    first = bill.sessions[0]
    if len(bill.sessions) == 1:
        story += [
            paragraph(words.session_one, style.HEADING),
            sections.session_facts(first, formats),
        ]
    if chart:
        drawing = power_chart(
            chart,
            [e for session in bill.sessions for e in session.estimates],
            first.time_zone,
            formats,
            first.started_at,
            max(session.ended_at for session in bill.sessions),
        )
        title = paragraph(words.power_over_time, style.HEADING)
        story.append(KeepTogether([title, drawing]))
    if len(bill.sessions) > 1:
        heading = words.session_many.format(count=len(bill.sessions))
        story.append(paragraph(heading, style.HEADING))
    else:
        story.append(Spacer(0, 3 * mm))
    story += [
        sections.lines(bill, formats),
        sections.totals(bill, sha256, formats),
        *sections.notes(bill, formats),
    ]
    return story


def _footer(bill: Bill, formats: Formats) -> str:
    parts = [bill.supplier.name]
    if bill.supplier.vat_id:
        parts.append(f"{formats.words.vat_id} {bill.supplier.vat_id}")
    parts.append(f"{formats.words.of_kind(bill.kind)} {bill.number}")
    return " · ".join(visual(style.clean(part)) for part in parts)


class _NumberedCanvas(Canvas):
    """Draws the footer once it is known how many pages there are."""

    def __init__(
        self, *args: Any, footer: str, page: str, issued_on: date, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # The same bytes whenever it is printed: the day of issue, not the time of printing.
        self.setDateFormatter(lambda *_: f"D:{issued_on:%Y%m%d}")
        self._footer = footer
        self._page = page
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep the page until all are known."""
        self._pages.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]

    def save(self) -> None:
        """Draw the footers and write the document."""
        for number, state in enumerate(self._pages, 1):
            self.__dict__.update(state)
            self._draw_footer(number, len(self._pages))
            super().showPage()
        super().save()

    def _draw_footer(self, number: int, pages: int) -> None:
        self.setStrokeColor(style.LINE)
        self.setLineWidth(0.4)
        y = _FOOTER + 4 * mm
        self.line(style.MARGIN, y, style.PAGE_WIDTH - style.MARGIN, y)
        self.setFont(style.REGULAR, 7)
        self.setFillColor(style.MUTED)
        counted = self._page.format(page=number, pages=pages)
        right = style.PAGE_WIDTH - style.MARGIN
        self.drawRightString(right, _FOOTER, counted)
        room = style.WIDTH - self.stringWidth(counted, style.REGULAR, 7) - 6 * mm
        text = _fitting(self._footer, room)
        look = fallback.styled(text, style.SMALL)
        markup = fallback.marked(text, style.REGULAR, look)
        if markup == escape(text, quote=False):
            self.drawString(style.MARGIN, _FOOTER, text)
            return
        line = Paragraph(markup, look)
        # Joined letters may be wider than the single ones that were measured.
        line.wrapOn(self, room + 5 * mm, 0)
        line.drawOn(self, style.MARGIN, _FOOTER + look.fontSize - line.height)


def _fitting(text: str, room: float) -> str:
    if fallback.width(text, style.REGULAR, 7) <= room:
        return text
    while text and fallback.width(text + "…", style.REGULAR, 7) > room:
        text = text[:-1]
    return text + "…"
