"""Access tokens: JWT signed with a key of this installation."""

import os
import secrets
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import jwt

from billing_service.domain.errors import NotSignedIn
from billing_service.services.auth import Claims

ALGORITHM = "HS256"
ISSUER = "solarrally"
AUDIENCE = "solarrally-api"
KEY_BYTES = 32

_MAX_TOKEN_CHARS = 4096


class KeyUnusable(Exception):
    """The signing key cannot be read or made; the sentence says why."""


class JwtSigner:
    """The ``TokenSigner`` of the auth service. One fixed algorithm: what a token says is ignored."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 random bytes."""
        self._key = key

    def sign(self, claims: Claims) -> str:
        """Return a token. Times keep their fractions: a token can be younger than a second."""
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": claims.subject,
                "jti": claims.token_id,
                "iat": claims.issued_at.timestamp(),
                "exp": claims.expires_at.timestamp(),
            },
            self._key,
            algorithm=ALGORITHM,
        )

    def read(self, token: str) -> Claims:
        """Return what a token says. Raises NotSignedIn. Expiry is the caller's to see."""
        if len(token) > _MAX_TOKEN_CHARS:
            raise NotSignedIn("The token is not valid.")
        try:
            said = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub", "jti"],
                    # By the service's own clock, see Auth.recognise.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
            return Claims(
                subject=said["sub"],
                token_id=said["jti"],
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


def signing_key(file: Path) -> bytes:
    """Return the key kept in a file; make it on first use, readable by its owner alone.

    Raises KeyUnusable.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        mode = stat.S_IMODE(file.stat().st_mode)
        key = file.read_bytes()
    except OSError as error:
        raise KeyUnusable(f"cannot use the signing key {file}: {error}") from error
    if mode & 0o077:
        raise KeyUnusable(f"others can read the signing key {file}: chmod 600 it")
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"{file} is not a signing key: {KEY_BYTES} bytes are due")
    return key


def _make(file: Path) -> None:
    """Write the key beside its place and link it there, so that nobody reads half of one."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_bytes(KEY_BYTES))
        # If another process was first, its key counts.
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()


def _time(number: object) -> datetime:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError("not a NumericDate")
    return datetime.fromtimestamp(number, UTC)
