"""Nothing is lost while the broker has restarted and the workers are not back yet."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiomqtt
import structlog

from billing_service.adapters.mqtt.ingest import MqttIngest
from billing_service.domain.errors import StoreUnavailable

log = structlog.get_logger(__name__)

RENEW_EVERY_S = 5.0
"""A spare session holds what came in twice this time: the broker has to queue as much for it
(Mosquitto: ``max_queued_messages``)."""

RETRY_S = 0.5


class Keeper:
    """Keeps spare sessions at the broker that catch what a shared subscription misses.

    Mosquitto (2.0 and 2.1) forgets shared subscriptions when it restarts. Until a worker subscribes
    again it takes the stations' messages, answers «no matching subscribers», and throws them away.
    Plain subscriptions of persistent sessions it remembers. So there are two more sessions with
    plain subscriptions, which nobody reads: they are emptied by turns while all is well, and read
    when the broker has restarted. What they hold besides is known already and changes nothing.

    Only one of the workers does this, whoever holds the lease.
    """

    def __init__(
        self,
        ingest: MqttIngest,
        spares: Sequence[MqttIngest],
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        """Take this worker's ingest, the spare sessions, and what says whether it is our task."""
        self._ingest = ingest
        self._spares = spares
        self._ours = ours
        self._read_at: int | None = None

    async def run(self) -> None:
        """Keep them until cancelled."""
        turn = 0
        while True:
            wait_s = RENEW_EVERY_S
            try:
                if await self._ours():
                    await self._keep(self._spares[turn % len(self._spares)])
                    turn += 1
                else:
                    self._read_at = None
            except (aiomqtt.MqttError, StoreUnavailable) as error:
                log.debug("keeping_waits", error=str(error))
                wait_s = RETRY_S
            await asyncio.sleep(wait_s)

    async def _keep(self, spare: MqttIngest) -> None:
        """Empty a spare session; or read all of them, if the broker may have restarted.

        The shared subscription is confirmed first, so what the spare session has got since its
        last turn has reached a worker, too. Should the broker restart between the two steps, the
        other spare session still has what came then, and the next turn reads it.
        """
        connection = await self._ingest.subscribed()
        if connection == self._read_at:
            await spare.begin_anew()
            return
        missed = 0
        for each in self._spares:
            known = each.frames
            await each.retire()
            await each.begin_anew()
            missed += each.frames - known
        self._read_at = connection
        log.info("keeping_what_comes", missed_frames=missed)

    async def retire(self) -> None:
        """Store what the spare sessions hold and end them. Raises aiomqtt.MqttError."""
        for each in self._spares:
            await each.retire()
