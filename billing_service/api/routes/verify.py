"""What is proven of a bill: for everyone who holds it."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse

from billing_service import patterns
from billing_service.api.deps import ServicesDep
from billing_service.api.documents import prefers
from billing_service.api.schemas.billing import VerdictOut
from billing_service.api.verify_page import language_of, page

router = APIRouter(prefix="/verify", tags=["bills"])

Sha256 = Annotated[
    str, Path(pattern=patterns.SHA256, description="as printed on the bill")
]
_HTML = "text/html"


@router.get(
    "/{sha256}",
    response_model=VerdictOut,
    responses={200: {"content": {_HTML: {}}}},
)
async def verify_bill(
    services: ServicesDep,
    sha256: Sha256,
    accept: Annotated[str, Header()] = "*/*",
    accept_language: Annotated[str, Header()] = "",
    lang: Annotated[str, Query(max_length=35, description="en, fr or de")] = "",
) -> Response:
    """Say what is proven of a bill, and what is not, by the hash of its evidence.

    Open to everyone; it names nobody. Browsers get a page, in the language of ``lang`` or theirs,
    or the bill's. Who has the PDF can compare its SHA-256 with those of ``files``. 404
    ``not_found`` for a hash that is on no bill of this service.
    """
    verdict = await services.verifying.check(sha256)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if prefers(accept, _HTML):
        headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'"
        )
        language = language_of(lang, accept_language, verdict.locale)
        headers["Content-Language"] = language
        return HTMLResponse(page(verdict, language), headers=headers)
    shown = VerdictOut.of(verdict).model_dump(mode="json")
    return JSONResponse(shown, headers=headers)
