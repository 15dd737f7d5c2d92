"""A throw-away PostgreSQL, with TimescaleDB at hand, that only this user's programs reach."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from scripts.rig.process import RigError

_FIND = Path(__file__).resolve().parents[1] / "lib" / "pg-timescale.sh"
_START_S = 30
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)
_USER = "postgres"

SETTINGS = {
    "listen_addresses": "''",
    "shared_preload_libraries": "'timescaledb'",
    "timescaledb.telemetry_level": "off",
    # Its workers hold connections now and then, and a database that is in use cannot be cloned.
    "timescaledb.max_background_workers": "0",
    "fsync": "off",
    "max_connections": "200",
}


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however it dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def postgres_bin() -> Path | None:
    """Return the folder of PostgreSQL's programs, None when `scripts/setup test` got none."""
    found = subprocess.run(
        [str(_FIND), "--cached"], capture_output=True, text=True, check=False
    )
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def _unprivileged() -> str | None:
    """Return the user to run as: PostgreSQL refuses root. None: the one we are."""
    if os.getuid() != 0:
        return None
    for name in (_USER, "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RigError("PostgreSQL does not run as root, and there is no user 'nobody'")


class Cluster:
    """A server with its files in a folder of its own, reached by a Unix socket there.

    ``fsync`` False is for tests: a machine that loses power loses data, a killed server does not.
    """

    def __init__(self, bin_dir: Path, *, fsync: bool = False) -> None:
        """Make the folder and the files. Raises RigError."""
        self._bin = bin_dir
        self._user = _unprivileged()
        # Short, for a socket's path has room for 107 characters; and not below a folder that
        # is closed to the user it runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="solarrally-pg-"))
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        made = subprocess.run(
            [str(self._bin / "initdb"), "-D", str(self._data), "-U", _USER, "-A", "trust",
             "-E", "UTF8", "--no-sync", "--locale-provider=builtin", "--locale=C.UTF-8"],
            capture_output=True, text=True, check=False, **self._as_user(),
        )  # fmt: skip
        if made.returncode != 0:
            self.remove()
            raise RigError(f"initdb failed: {made.stderr.strip()}")
        settings = {**SETTINGS, "unix_socket_directories": f"'{self.folder}'"}
        if fsync:
            settings["fsync"] = "on"
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        account = pwd.getpwnam(self._user)
        return {
            "user": account.pw_uid,
            "group": account.pw_gid,
            "extra_groups": [],
            "env": {"PATH": os.defpath, "LANG": "C.UTF-8"},
            "cwd": self.folder,
        }

    def start(self) -> None:
        """Start it and wait until it answers. Raises RigError."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - started before any thread
                **self._as_user(),
            )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.dsn("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        words = self._log.read_text(errors="replace")[-2000:]
        raise RigError(f"PostgreSQL did not start; its last words:\n{words}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT breaks connections off, SIGQUIT also skips the checkpoint."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=_START_S)
            self._process = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str) -> str:
        """Return how libpq connects to a database."""
        return f"host={self.folder} user={_USER} dbname={database}"

    def url(self, database: str) -> str:
        """Return how the service connects to a database."""
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def create(self, database: str, template: str | None = None) -> None:
        """Create a database, as a copy of another if one is named."""
        like = f" TEMPLATE {template}" if template else ""
        self._run(f"CREATE DATABASE {database}{like} STRATEGY FILE_COPY")

    def drop(self, database: str) -> None:
        """Drop a database and end the connections to it."""
        self._run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())
