"""The page at the service's own address: what this is, and where to go on."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse

from billing_service.api.start_page import page
from billing_service.api.verify_page import language_of

router = APIRouter(tags=["health"])


@router.get("/", response_class=HTMLResponse)
async def start(accept_language: Annotated[str, Header()] = "") -> Response:
    """Say what this service is, with links, in the browser's language. Open to everyone."""
    language = language_of("", accept_language, "")
    return HTMLResponse(
        page(language),
        headers={
            "Content-Language": language,
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            ),
        },
    )
