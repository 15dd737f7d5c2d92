"""Metrics for Prometheus.

They tell which stations there are and when people charge, so they are an admin's: sign in, or let
Prometheus send a service token of an admin with the scope ``metrics:read`` (``authorization:
credentials_file`` in its configuration).
"""

from fastapi import APIRouter, Request, Response

from billing_service.api.deps import AdminActor, ServicesDep
from billing_service.api.metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(_: AdminActor, services: ServicesDep, request: Request) -> Response:
    """Return the service's metrics in Prometheus's text format."""
    kept: Metrics = request.app.state.metrics
    return Response(await kept.page(services), media_type=CONTENT_TYPE)
