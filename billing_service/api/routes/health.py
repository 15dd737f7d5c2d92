"""Whether the service lives and can work. Open to all; tells nothing else."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from billing_service.api.deps import ServicesDep
from billing_service.api.schemas.health import HealthOut, ReadyOut

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> HealthOut:
    """Say that the process lives."""
    return HealthOut()


@router.get("/readyz", responses={503: {"model": ReadyOut}})
async def readyz(services: ServicesDep, response: Response) -> ReadyOut:
    """Ask the database and the broker's connection; 503 unless all are well."""
    checks = {name: await check() or "ok" for name, check in services.checks.items()}
    ready = all(result == "ok" for result in checks.values())
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return ReadyOut(status="ready" if ready else "not_ready", checks=checks)
