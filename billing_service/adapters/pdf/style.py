"""What a bill looks like: fonts, colours, text styles, measures."""

from functools import cache
from html import escape
from importlib.resources import as_file, files

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import (
    registerFont,
    registerFontFamily,
    stringWidth,
)
from reportlab.platypus import Paragraph

from billing_service.adapters.pdf import fallback
from billing_service.adapters.pdf.bidi import BidiParagraph, is_bidi

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"

INK = HexColor("#1b2733")
MUTED = HexColor("#667583")
LINE = HexColor("#d5dce3")
PANEL = HexColor("#f4f6f8")
SOLAR = HexColor("#f0a30a")
GRID = HexColor("#3a6ea5")
ACCENT = HexColor("#14532d")
ESTIMATED = HexColor("#e3e8ed")

PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN = 18 * mm
WIDTH = PAGE_WIDTH - 2 * MARGIN

# Control and direction characters would move or hide text on a document people trust.
_UNWANTED = dict.fromkeys(
    [
        *range(32),
        0x7F,
        *range(0x80, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ],
    " ",
)


@cache
def register_fonts() -> None:
    """Make the shipped fonts known to reportlab, once."""
    for name in REGULAR, BOLD:
        resource = files("billing_service.adapters.pdf") / "data" / f"{name}.ttf"
        with as_file(resource) as path:
            registerFont(fallback.AsItIs(name, str(path)))
    registerFontFamily(
        REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD
    )


def style(
    size: float = 8.5,
    *,
    bold: bool = False,
    color: Color = INK,
    right: bool = False,
    leading: float = 1.35,
    before: float = 0,
    after: float = 0,
) -> ParagraphStyle:
    """Return a text style; sizes in points."""
    return ParagraphStyle(
        name=f"s{size}{bold}{right}",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * leading,
        textColor=color,
        alignment=TA_RIGHT if right else TA_LEFT,
        spaceBefore=before,
        spaceAfter=after,
        splitLongWords=True,
    )


def fitting(text: str, wanted: ParagraphStyle, width: float) -> ParagraphStyle:
    """Return a style in which a short text stands on one line: the wanted one, or smaller."""
    needed = stringWidth(text, wanted.fontName, wanted.fontSize)
    if needed <= width:
        return wanted
    # Less than a point is left free, so that rounding does not break the line after all.
    return ParagraphStyle(
        name=f"{wanted.name}fitting",
        parent=wanted,
        fontSize=wanted.fontSize * (width - 0.5) / needed,
    )


TITLE = style(21, bold=True, color=INK, right=True, leading=1.15)
SUPPLIER = style(12, bold=True, leading=1.25)
HEADING = style(9.5, bold=True, before=3 * mm, after=1.6 * mm)
LABEL = style(7, color=MUTED)
LABEL_RIGHT = style(7, color=MUTED, right=True)
TEXT = style()
TEXT_BOLD = style(bold=True)
TEXT_RIGHT = style(right=True)
TEXT_BOLD_RIGHT = style(bold=True, right=True)
SMALL = style(7, color=MUTED)
SMALL_BOLD = style(7, bold=True, after=0.8 * mm)
TINY = style(5.5, color=MUTED)
FIGURE = style(14, bold=True, leading=1.2)
TOTAL = style(12.5, bold=True, leading=1.25)
TOTAL_RIGHT = style(12.5, bold=True, right=True, leading=1.25)


def clean(text: str) -> str:
    """Return a text on one line, without characters that control instead of show."""
    return " ".join(text.translate(_UNWANTED).split())


def safe(text: str) -> str:
    """Return text so that reportlab's markup shows it and obeys none of it."""
    return escape(clean(text), quote=False)


def paragraph(text: str, text_style: ParagraphStyle = TEXT) -> Paragraph:
    """Return a paragraph of plain text, whoever wrote it, in whichever direction it runs."""
    if is_bidi(text):
        return BidiParagraph(clean(text), text_style)
    # A no-break space is wanted where it stands; clean() would make it an ordinary one.
    kept = "\N{NO-BREAK SPACE}".join(
        clean(part) for part in text.split("\N{NO-BREAK SPACE}")
    )
    look = fallback.styled(kept, text_style)
    return Paragraph(fallback.marked(kept, text_style.fontName, look), look)
