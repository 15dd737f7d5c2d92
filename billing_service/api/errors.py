"""Every error as problem+json (RFC 9457), with a stable ``code`` that clients may match on.

An error is translated here and nowhere else. What went wrong inside is logged, never shown.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from billing_service.domain.errors import (
    CdrInvalid,
    CommandRefused,
    Conflict,
    DomainError,
    FrameRejected,
    InvalidInput,
    NotAllowed,
    NoTariff,
    NotFound,
    NotSignedIn,
    StationSilent,
    StoreUnavailable,
    TariffInvalid,
    TooManyAttempts,
    UploadRefused,
    UploadTooLarge,
)
from billing_service.patterns import in_words

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[DomainError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.UNPROCESSABLE_CONTENT),
    (TariffInvalid, HTTPStatus.UNPROCESSABLE_CONTENT),
    (CdrInvalid, HTTPStatus.UNPROCESSABLE_CONTENT),
    (FrameRejected, HTTPStatus.UNPROCESSABLE_CONTENT),
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (Conflict, HTTPStatus.CONFLICT),
    (NoTariff, HTTPStatus.CONFLICT),
    (UploadTooLarge, HTTPStatus.CONTENT_TOO_LARGE),
    (UploadRefused, HTTPStatus.UNPROCESSABLE_CONTENT),
    (StationSilent, HTTPStatus.GATEWAY_TIMEOUT),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)

_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONTENT_TOO_LARGE: "too_large",
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    path: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457). ``code`` is stable; ``detail`` is a sentence for people."""

    type: str = Field(examples=["urn:solarrally:problem:not_found"])
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None


def described(description: str) -> dict[str, Any]:
    """Return what a route's ``responses`` say of an answer that is a problem."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


SILENT: dict[int | str, dict[str, Any]] = {
    504: described("The station did not answer in time: `station_silent`")
}
"""Of a route that sends a command and waits for the result."""


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Make the response; ``more`` are members beyond the standard's."""
    return JSONResponse(
        {
            "type": f"urn:solarrally:problem:{code}",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "code": code,
            **more,
        },
        status_code=status.value,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def status_of(error: DomainError) -> HTTPStatus:
    """Return the status that tells an error of the domain."""
    return next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def of_domain(error: DomainError) -> JSONResponse:
    """Translate an error of the domain."""
    status = status_of(error)
    detail, headers, more = error.message, dict[str, str](), dict[str, Any]()
    match error:
        case InvalidInput() | TariffInvalid() | CdrInvalid():
            more["errors"] = [
                {"path": path, "message": text} for path, text in error.problems
            ]
        case NotSignedIn():
            headers["WWW-Authenticate"] = "Bearer"
        case TooManyAttempts():
            headers["Retry-After"] = str(error.retry_after_s)
        case CommandRefused():
            more["error"] = error.error
        case StoreUnavailable():
            log.error("store_unavailable", error=error.message)
            detail = "The database cannot be reached now. Try again in a moment."
            headers["Retry-After"] = "5"
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unexpected_domain_error", error=repr(error))
        detail = "Something went wrong inside the service."
    return problem(status, error.code, detail, headers=headers, **more)


def internal() -> JSONResponse:
    """Tell nothing but that it is our fault."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong inside the service.",
    )


def install(app: FastAPI) -> None:
    """Translate the errors of an application."""

    async def domain(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, DomainError)
        return of_domain(error)

    async def validation(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(
            HTTPStatus.UNPROCESSABLE_CONTENT,
            "invalid_request",
            "The request is not valid.",
            # Without the values: they may be passwords.
            errors=[
                {
                    "path": ".".join(str(part) for part in each["loc"]),
                    "message": in_words(each),
                }
                for each in error.errors()
            ],
        )

    async def http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        return problem(
            status,
            _CODES.get(status, status.name.lower()),
            error.detail,
            headers=error.headers,
        )

    app.add_exception_handler(DomainError, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
