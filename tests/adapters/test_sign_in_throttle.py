"""The throttle of signing in, over several processes' connections."""

import asyncio
from pathlib import Path

from billing_service.adapters.db.database import Database
from billing_service.adapters.keys import KeyRing
from billing_service.adapters.tokens import JwtSigner
from billing_service.domain.errors import NotSignedIn, TooManyAttempts
from billing_service.services.auth import ATTEMPTS_PER_ACCOUNT, Auth
from tests.api.harness import PlainPasswords
from tests.databases import database_url, utc_now


async def test_attempts_at_once_do_not_slip_through(
    tmp_path: Path, relational_kind: str
) -> None:
    """Forty at once over four processes' worth of connections: as many are let through as one by one."""
    async with database_url(relational_kind, tmp_path) as url:
        several = [Database(url, utc_now) for _ in range(4)]
        signer = JwtSigner(KeyRing(tmp_path / "signing.keys", utc_now))
        auths = [
            Auth(each.write, each.read, utc_now, PlainPasswords(), signer)
            for each in several
        ]
        results = await asyncio.gather(
            *(
                auths[n % 4].sign_in("driver", "wrong", f"192.0.2.{n}")
                for n in range(40)
            ),
            return_exceptions=True,
        )
        kinds = [type(each) for each in results]
        assert kinds.count(NotSignedIn) == ATTEMPTS_PER_ACCOUNT
        assert kinds.count(TooManyAttempts) == 40 - ATTEMPTS_PER_ACCOUNT
        for each in several:
            await each.dispose()
