"""What is proven of a bill: for everyone who holds it."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import HTMLResponse, JSONResponse

from billing_service.api.bill_schemas import VerdictOut
from billing_service.api.deps import ServicesDep
from billing_service.api.documents import prefers

router = APIRouter(prefix="/verify", tags=["bills"])

Sha256 = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="as printed on the bill")
]
_HTML = "text/html"
_MARKS = {"proven": "✓ proven", "not_proven": "– not proven", "failed": "✗ failed"}


@router.get(
    "/{sha256}",
    response_model=VerdictOut,
    responses={200: {"content": {_HTML: {}}}},
)
async def verify_bill(
    services: ServicesDep, sha256: Sha256, accept: Annotated[str, Header()] = "*/*"
) -> Response:
    """Say what is proven of a bill, and what is not, by the hash of its evidence.

    Open to everyone; it names nobody. Browsers get a page. 404 ``not_found`` for a hash that is
    on no bill of this service.
    """
    verdict = VerdictOut.of(await services.verifying.check(sha256))
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if prefers(accept, _HTML):
        headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'"
        )
        return HTMLResponse(_page(verdict), headers=headers)
    return JSONResponse(verdict.model_dump(mode="json"), headers=headers)


def _page(verdict: VerdictOut) -> str:
    rows = "".join(
        f'<li class="{check.outcome}"><b>{_MARKS[check.outcome]}</b> {escape(check.sentence)}</li>'
        for check in verdict.checks
    )
    kind = "Bill" if verdict.kind == "bill" else "Credit note"
    void = ""
    if verdict.credited_by is not None:
        void = (
            f'<p class="failed">It was taken back by {escape(verdict.credited_by)}.</p>'
        )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{kind} {escape(verdict.number)}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }} ul {{ list-style: none; padding: 0; }}
li {{ margin: .6rem 0; padding-left: .8rem; border-left: .25rem solid #8a97a3; }}
.proven {{ border-color: #2e7d32; }} .failed {{ border-color: #c62828; color: #c62828; }}
</style></head><body>
<h1>{kind} {escape(verdict.number)}</h1>{void}
<dl><dt>Issued on</dt><dd>{verdict.issued_on}</dd>
<dt>Total</dt><dd>{verdict.total:f} {escape(verdict.currency)}</dd>
<dt>Energy</dt><dd>{verdict.energy_wh / 1000:f} kWh</dd>
<dt>SHA-256</dt><dd><code>{verdict.sha256}</code></dd></dl>
<ul>{rows}</ul></body></html>
"""
