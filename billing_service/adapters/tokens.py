"""Access tokens: JWT signed with a key of this installation."""

from datetime import UTC, datetime

import jwt

from billing_service.adapters.keys import KeyRing
from billing_service.domain.errors import NotSignedIn
from billing_service.services.auth import Claims

ALGORITHM = "HS256"
ISSUER = "solarrally"
AUDIENCE = "solarrally-api"

_MAX_TOKEN_CHARS = 4096


class JwtSigner:
    """The ``TokenSigner`` of the auth service. One fixed algorithm: what a token says is ignored."""

    def __init__(self, keys: KeyRing) -> None:
        """Take the keys; the newest signs."""
        self._keys = keys

    def sign(self, claims: Claims) -> str:
        """Return a token. Times keep their fractions: a token can be younger than a second."""
        key = self._keys.current()
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": claims.subject,
                "jti": claims.token_id,
                "sid": claims.grant_id,
                "iat": claims.issued_at.timestamp(),
                "exp": claims.expires_at.timestamp(),
            },
            key.secret,
            algorithm=ALGORITHM,
            headers={"kid": key.kid},
        )

    def read(self, token: str) -> Claims:
        """Return what a token says. Raises NotSignedIn. Expiry is the caller's to see."""
        if len(token) > _MAX_TOKEN_CHARS:
            raise NotSignedIn("The token is not valid.")
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise NotSignedIn("The token is not valid.")
            said = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub", "jti", "sid"],
                    # By the service's own clock, see Auth.recognise.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
            if not isinstance(said["sid"], str):
                raise TypeError("sid is not text")
            return Claims(
                subject=said["sub"],
                token_id=said["jti"],
                grant_id=said["sid"],
                issued_at=_time(said["iat"]),
                expires_at=_time(said["exp"]),
            )
        except (
            jwt.InvalidTokenError,
            TypeError,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise NotSignedIn("The token is not valid.") from error


def _time(number: object) -> datetime:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError("not a NumericDate")
    return datetime.fromtimestamp(number, UTC)
