"""What tells an installation from all others."""

import secrets

from sqlalchemy import select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import installation

_ONLY = 1
_RANDOM_BYTES = 16


class InstallationRepository(Repository):
    """What all processes of an installation share: it is in their database."""

    async def mqtt_client_id(self) -> str:
        """Return our name at the broker; the first who asks makes it.

        It cannot be guessed, for whoever connects under a client id takes over its session, and
        whoever knows a shared subscription's group gets a share, whatever they may read.
        """
        made = f"solarrally-{secrets.token_hex(_RANDOM_BYTES)}"
        await self._connection.execute(
            self._insert(installation)
            .values(id=_ONLY, mqtt_client_id=made)
            .on_conflict_do_nothing(index_elements=["id"])
        )
        kept: str = (
            await self._connection.execute(select(installation.c.mqtt_client_id))
        ).scalar_one()
        return kept
