"""The signing key's file, and argon2."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from billing_service.adapters.keys import KEY_BYTES, KeyRing, KeyUnusable
from billing_service.adapters.passwords import _NOBODYS, Argon2Passwords
from billing_service.services.auth import ACCESS_TOKEN_LASTS


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        """Start at some time."""
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Hands:
    """Return a clock."""
    return Hands()


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path, clock: Hands) -> None:
    """At first start; later starts find it; nobody else can read it, and nothing is left over."""
    file = tmp_path / "data" / "signing.keys"
    key = KeyRing(file, clock).current()
    assert len(key.secret) == KEY_BYTES
    assert KeyRing(file, clock).current() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert KeyRing(tmp_path / "other.keys", clock).current() != key
    assert key.secret.hex() not in repr(key)


async def test_processes_that_start_together_share_a_key(
    tmp_path: Path, clock: Hands
) -> None:
    """Whoever is first makes it; the others take it, and none reads half of one."""
    file = tmp_path / "signing.keys"
    keys = await asyncio.gather(
        *(asyncio.to_thread(lambda: KeyRing(file, clock).current()) for _ in range(8))
    )
    assert len({key.kid for key in keys}) == 1


def test_a_former_key_is_believed_until_its_tokens_expire(
    tmp_path: Path, clock: Hands
) -> None:
    """A running process signs with the new key at once; who steals the old one has nothing."""
    running = KeyRing(tmp_path / "signing.keys", clock)
    old = running.current().kid
    new = KeyRing(tmp_path / "signing.keys", clock).rotate()
    assert running.current().kid == new != old
    clock.now += ACCESS_TOKEN_LASTS - timedelta(seconds=1)
    assert running.find(old) is not None
    clock.now += timedelta(seconds=1)
    assert running.find(old) is None
    assert running.find(new) is not None
    third = running.rotate()
    kept = (tmp_path / "signing.keys").read_text().splitlines()
    assert [line.split()[0] for line in kept] == [new, third]


def test_a_key_that_leaked_is_void_at_once(tmp_path: Path, clock: Hands) -> None:
    """With ``--drop-old`` no earlier token holds."""
    ring = KeyRing(tmp_path / "signing.keys", clock)
    old = ring.current().kid
    new = KeyRing(tmp_path / "signing.keys", clock).rotate(drop_old=True)
    assert ring.find(old) is None
    assert ring.current().kid == new


async def test_rotations_at_once_lose_no_key(tmp_path: Path, clock: Hands) -> None:
    """Each adds its own to what the others wrote."""
    file = tmp_path / "signing.keys"
    ring = KeyRing(file, clock)
    kids = await asyncio.gather(
        *(asyncio.to_thread(lambda: KeyRing(file, clock).rotate()) for _ in range(8))
    )
    assert all(ring.find(kid) for kid in kids)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(
    tmp_path: Path, clock: Hands, mode: int
) -> None:
    """With how to mend it."""
    file = tmp_path / "signing.keys"
    KeyRing(file, clock)
    file.chmod(mode)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        KeyRing(file, clock)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no signing key"),
        (b"a 00 2026-11-23T12:00:00+00:00", "line 1 is not"),
        (b"a " + b"0" * 64 + b" 2026-11-23T12:00:00", "without its zone"),
        (b"a " + b"0" * 64 + b" yesterday-evening", "cannot use"),
        (b"\xff", "cannot use"),
    ],
)
def test_what_is_no_key_is_refused(
    tmp_path: Path, clock: Hands, content: bytes, says: str
) -> None:
    """A truncated file would sign with next to nothing."""
    file = tmp_path / "signing.keys"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(KeyUnusable, match=says):
        KeyRing(file, clock)


def test_keys_that_vanish_stay_in_use(tmp_path: Path, clock: Hands) -> None:
    """People who are signed in do not notice a disk that is away for a while."""
    ring = KeyRing(tmp_path / "signing.keys", clock)
    key = ring.current()
    (tmp_path / "signing.keys").unlink()
    assert ring.current() == key


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path, clock: Hands) -> None:
    """A file in the folder's place, say."""
    (tmp_path / "data").write_text("")
    with pytest.raises(KeyUnusable, match="cannot use"):
        KeyRing(tmp_path / "data" / "signing.keys", clock)


async def test_a_password_is_verified() -> None:
    """The right one is, a wrong one is not, and the hash is salted argon2id."""
    passwords = Argon2Passwords()
    first, second = await asyncio.gather(
        passwords.hash("correct horse"), passwords.hash("correct horse")
    )
    assert first != second
    assert first.startswith("$argon2id$")
    assert await passwords.verify("correct horse", first) == (True, None)
    assert (await passwords.verify("wrong horse", first))[0] is False


async def test_nobody_s_hash_costs_as_much_as_anyone_s() -> None:
    """The same parameters as a real hash, or time would tell who exists."""
    real = await Argon2Passwords().hash("correct horse")
    assert _NOBODYS.split("$")[1:4] == real.split("$")[1:4]
    assert [len(part) for part in _NOBODYS.split("$")[4:]] == [
        len(part) for part in real.split("$")[4:]
    ]


async def test_a_hash_of_another_kind_lets_nobody_in() -> None:
    """A damaged or foreign hash is a wrong password, not a crash."""
    assert await Argon2Passwords().verify("x", "plain:x") == (False, None)


async def test_a_hash_that_is_too_weak_today_is_made_anew() -> None:
    """At the next sign-in, when the password is known."""
    passwords = Argon2Passwords()
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct")
    right, better = await passwords.verify("correct", weak)
    assert right
    assert better is not None
    assert await passwords.verify("correct", better) == (True, None)
