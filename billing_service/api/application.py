"""Puts routes, errors and limits together. What stands behind them is wired by ``app``."""

from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from billing_service.api import errors
from billing_service.api.metrics import Metrics
from billing_service.api.middleware import BodyLimit, RequestContext
from billing_service.api.query import only_known_parameters
from billing_service.api.routes import (
    audit,
    auth,
    bills,
    charging_tokens,
    corrections,
    customers,
    exports,
    firmware,
    health,
    live,
    logs,
    metrics,
    rejected,
    service_tokens,
    sessions,
    start,
    stations,
    supplier,
    tariff_assignments,
    tariffs,
    users,
    verify,
)

ROUTERS = tuple(
    module.router
    for module in (
        start,
        health,
        metrics,
        auth,
        service_tokens,
        users,
        stations,
        logs,
        charging_tokens,
        firmware,
        tariffs,
        tariff_assignments,
        sessions,
        bills,
        corrections,
        customers,
        supplier,
        verify,
        exports,
        rejected,
        audit,
        live,
    )
)

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": errors.described("What is in the way, and a stable code"),
}
_AWAY: dict[int | str, dict[str, Any]] = {
    503: errors.described("The database cannot be reached now: `store_unavailable`")
    | {
        "headers": {
            "Retry-After": {
                "description": "When to try again, in seconds",
                "schema": {"type": "integer"},
            }
        }
    },
}


def create_api() -> FastAPI:
    """Return the application. Before the first request set ``app.state.services``."""
    app = FastAPI(
        title="SolarRally billing service",
        version=version("solarrally"),
        description=(
            "Charging sessions, tariffs and bills. Money and energies are decimal strings, times "
            "are UTC. Errors are `application/problem+json` with a stable `code`. A query parameter "
            "that an operation does not name is refused: 422 `invalid_request`."
        ),
        license_info={"name": "MIT"},
        # The pages that FastAPI brings load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses=_PROBLEMS,
        dependencies=[Depends(only_known_parameters)],
    )
    for router in ROUTERS:
        # Whether the service is alive asks no database; whether it is ready tells in its own way.
        away = {} if router is health.router else _AWAY
        app.include_router(router, responses=away)
    errors.install(app)
    _describe_problems(app)
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimit, streamed=(logs.STREAMED, firmware.STREAMED))
    app.state.metrics = Metrics()
    app.add_middleware(RequestContext, metrics=app.state.metrics)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the shape of problems into the OpenAPI document: no route returns it by itself."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            problem = errors.Problem.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's way to extend it


def _operation_id(route: APIRoute) -> str:
    return route.name
