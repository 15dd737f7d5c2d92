"""Messages that broke the contract, for whoever looks after the stations."""

from fastapi import APIRouter

from billing_service.api.deps import AdminActor, Limit, Offset, ServicesDep
from billing_service.api.schemas.records import RejectedOut, RejectedPage

router = APIRouter(prefix="/rejected", tags=["stations"])


@router.get("/")
async def list_rejected(
    _: AdminActor, services: ServicesDep, limit: Limit = 50, offset: Offset = 0
) -> RejectedPage:
    """Return one page of the messages that were rejected, newest first."""
    async with services.open_read() as read:
        page = await read.rejected.page(limit=limit, offset=offset)
        counts = await read.rejected.counts()
    return RejectedPage(
        items=[
            RejectedOut(
                received_at=each.received_at,
                topic=each.topic,
                reason=each.reason,
                message=each.message,
                payload=each.payload.decode("utf-8", "backslashreplace"),
            )
            for each in page.items
        ],
        counts=counts,
        total=page.total,
        limit=limit,
        offset=offset,
    )
