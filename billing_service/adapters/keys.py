"""The keys that sign access tokens: a file that only its owner can read, and their rotation.

A line for each key, the newest last, which is the one that signs:

    KID  64 hex digits  when it was made (ISO 8601)

A key that was replaced is still believed as long as a token of its could hold, and no longer:
whoever steals an old one has nothing. Processes notice a new file by themselves.
"""

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import structlog

from billing_service.services.auth import ACCESS_TOKEN_LASTS
from billing_service.services.ports import Clock

KEY_BYTES = 32

log = structlog.get_logger(__name__)

_LINE = re.compile(r"([A-Za-z0-9_-]{1,32}) ([0-9a-f]{64}) (\S{10,40})")
_MAX_BYTES = 64 * 1024


class KeyUnusable(Exception):
    """The signing keys cannot be read or made; the sentence says why."""


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One key and its name (RFC 7515, ``kid``)."""

    kid: str
    secret: bytes
    made_at: datetime


class KeyRing:
    """Reads the keys, and again when the file has changed. Makes one at first use."""

    def __init__(self, file: Path, clock: Clock) -> None:
        """Read the file, or make it. Raises KeyUnusable."""
        self._file = file
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._version: tuple[int, ...] = ()
        with _usable(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                with _locked(file):
                    if not file.exists():
                        _write(file, [_new(clock())])
        self._refresh()

    def current(self) -> Key:
        """Return the key that signs."""
        self._look_again()
        return self._keys[-1]

    def find(self, kid: object) -> Key | None:
        """Return the key of that name if its tokens may still hold."""
        self._look_again()
        return next((key for key in self._believed() if key.kid == kid), None)

    def rotate(self, *, drop_old: bool = False) -> str:
        """Sign with a new key from now on; return its name. Raises KeyUnusable.

        Tokens of the former one hold until they expire, unless ``drop_old``.
        """
        with _usable(self._file), _locked(self._file):
            self._refresh()
            new = _new(self._clock())
            kept = [] if drop_old else self._believed()
            _write(self._file, [*kept, new])
        return new.kid

    def _believed(self) -> list[Key]:
        oldest = self._clock() - ACCESS_TOKEN_LASTS
        return [
            key
            for key, successor in pairwise((*self._keys, None))
            if key is not None and (successor is None or successor.made_at > oldest)
        ]

    def _look_again(self) -> None:
        """Read a file that has changed. While it cannot be read the keys stay as they were."""
        try:
            self._refresh()
        except KeyUnusable as error:
            log.warning("signing_keys_unreadable", error=str(error))

    def _refresh(self) -> None:
        with _usable(self._file):
            seen = self._file.stat()
            version = (seen.st_ino, seen.st_mtime_ns, seen.st_size, seen.st_mode)
            if version == self._version:
                return
            if stat.S_IMODE(seen.st_mode) & 0o077:
                raise KeyUnusable(
                    f"others can read the signing keys {self._file}: chmod 600 it"
                )
            if seen.st_size > _MAX_BYTES:
                raise KeyUnusable(f"{self._file} is too large for signing keys")
            self._keys = _parse(self._file)
            self._version = version


def _parse(file: Path) -> tuple[Key, ...]:
    keys = []
    for number, line in enumerate(file.read_text("ascii").splitlines(), 1):
        matched = _LINE.fullmatch(line)
        if matched is None:
            raise KeyUnusable(f"{file}: line {number} is not a signing key")
        made_at = datetime.fromisoformat(matched[3])
        if made_at.tzinfo is None:
            raise KeyUnusable(f"{file}: line {number} has a time without its zone")
        keys.append(Key(matched[1], bytes.fromhex(matched[2]), made_at))
    if not keys:
        raise KeyUnusable(f"{file} has no signing key")
    return tuple(keys)


def _new(now: datetime) -> Key:
    kid = f"{now:%Y%m%d}-{secrets.token_hex(4)}"
    return Key(kid, secrets.token_bytes(KEY_BYTES), now)


def _write(file: Path, keys: list[Key]) -> None:
    """Write the file beside its place and move it there, so that nobody reads half of one."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            for key in keys:
                made_at = key.made_at.astimezone(UTC).isoformat()
                opened.write(f"{key.kid} {key.secret.hex()} {made_at}\n")
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process change the keys at a time; the folder is what all of them can lock."""
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise KeyUnusable(f"cannot use the signing keys {file}: {error}") from error
