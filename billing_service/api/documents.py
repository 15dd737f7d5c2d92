"""Bills as JSON or as PDF: whichever the client asked for."""

from typing import Annotated, Literal

from fastapi import Header, Query, Response

from billing_service.domain.bill import Bill

PDF = "application/pdf"

Format = Annotated[Literal["json", "pdf"] | None, Query(alias="format")]
Accept = Annotated[str, Header()]


def wants_pdf(format_: Literal["json", "pdf"] | None, accept: str) -> bool:
    """Return whether a PDF is wanted: by the address first, then by what is preferred."""
    return format_ == "pdf" or (format_ is None and prefers(accept, PDF))


def pdf(bill: Bill, document: bytes) -> Response:
    """Return a rendered bill."""
    return Response(
        document,
        media_type=PDF,
        headers={"Content-Disposition": f'inline; filename="{bill.number}.pdf"'},
    )


def prefers(accept: str, media_type: str) -> bool:
    """Return whether a type is wanted more than JSON (RFC 9110, 12.5.1)."""
    return _weight(accept, media_type) > _weight(accept, "application/json")


def _weight(accept: str, media_type: str) -> float:
    """Return the q of the most specific range that matches."""
    best = (-1, 0.0)
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
        if name not in ranges:
            continue
        q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            best = max(best, (ranges.index(name), float(q)))
        except ValueError:
            continue
    return best[1]
