"""The signing key's file, and argon2."""

import asyncio
import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from billing_service.adapters.passwords import _NOBODYS, Argon2Passwords
from billing_service.adapters.tokens import KEY_BYTES, KeyUnusable, signing_key


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """At first start; later starts find it; nobody else can read it, and nothing is left over."""
    file = tmp_path / "data" / "signing.key"
    key = signing_key(file)
    assert len(key) == KEY_BYTES
    assert signing_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert signing_key(tmp_path / "other.key") != key


async def test_processes_that_start_together_share_a_key(tmp_path: Path) -> None:
    """Whoever is first makes it; the others take it, and none reads half of one."""
    file = tmp_path / "signing.key"
    keys = await asyncio.gather(
        *(asyncio.to_thread(signing_key, file) for _ in range(8))
    )
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """With how to mend it."""
    file = tmp_path / "signing.key"
    signing_key(file)
    file.chmod(mode)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        signing_key(file)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """A truncated file would sign with next to nothing."""
    file = tmp_path / "signing.key"
    file.write_bytes(b"")
    file.chmod(0o600)
    with pytest.raises(KeyUnusable, match="not a signing key"):
        signing_key(file)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A file in the folder's place, say."""
    (tmp_path / "data").write_text("")
    with pytest.raises(KeyUnusable, match="cannot use"):
        signing_key(tmp_path / "data" / "signing.key")


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
