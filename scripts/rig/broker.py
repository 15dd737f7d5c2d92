"""A Mosquitto of the site's own, with a credential and rights for each client."""

import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from scripts.rig.ports import HOST
from scripts.rig.process import Program, RigError

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Login:
    """What a client signs in with."""

    username: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(15), repr=False)


def _rights(prefix: str) -> dict[str, list[str]]:
    """Return what each client may do: topics as in the contract (docs/protocol/mqtt.md)."""
    return {
        "station": [f"topic write {prefix}/#", f"topic read {prefix}/+/command"],
        "billing": [f"topic read {prefix}/#", f"topic write {prefix}/+/command"],
        "homeassistant": [
            f"topic read {prefix}/#",
            f"topic write {prefix}/+/command",
            # A station that is removed there is cleared from the broker too.
            *(f"topic write {prefix}/+/{leaf}" for leaf in ("info", "state", "status")),
            "topic readwrite homeassistant/#",
        ],
        "recorder": [f"topic read {prefix}/#"],
    }


class Broker:
    """Mosquitto on 127.0.0.1:`port`, with its files in `folder`."""

    def __init__(self, folder: Path, log: Path, port: int, prefix: str) -> None:
        self.port = port
        self.prefix = prefix
        self.logins = {name: Login(name) for name in _rights(prefix)}
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._program = Program(
            "Mosquitto", [find("mosquitto"), "-c", str(self._config)], log=log
        )

    async def start(self) -> None:
        """Write its configuration, start it and wait until it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_passwords()
        self._write_rights()
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        lines = [
            f"listener {self.port} {HOST}",
            "allow_anonymous false",
            f"password_file {self._folder / 'passwords'}",
            f"acl_file {self._folder / 'rights'}",
            "persistence true",
            f"persistence_location {data}/",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            # A station at many times real speed must not overrun a client that stores each frame.
            "max_queued_messages 100000",
        ]
        if os.getuid() == 0:
            # As root Mosquitto changes to a user that may not read this folder.
            lines.append(f"user {pwd.getpwuid(0).pw_name}")
        self._config.write_text("\n".join(lines) + "\n")
        await self._program.start()
        await self._program.until_listening(self.port, within_s=10)

    async def stop(self) -> None:
        """End it."""
        await self._program.stop()

    @property
    def program(self) -> Program:
        """The running Mosquitto."""
        return self._program

    def _write_passwords(self) -> None:
        """Write the password file, hashed by Mosquitto's own tool, readable to us alone."""
        path = self._folder / "passwords"
        path.touch(mode=0o600)
        path.write_text(
            "".join(f"{it.username}:{it.password}\n" for it in self.logins.values())
        )
        hashed = subprocess.run(
            [find("mosquitto_passwd"), "-U", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if hashed.returncode != 0:
            raise RigError(f"mosquitto_passwd failed: {hashed.stderr.strip()}")

    def _write_rights(self) -> None:
        path = self._folder / "rights"
        path.touch(mode=0o600)
        blocks = (
            "\n".join([f"user {name}", *lines])
            for name, lines in _rights(self.prefix).items()
        )
        path.write_text("\n\n".join(blocks) + "\n")


def find(name: str) -> str:
    """Return the path of one of Mosquitto's programs."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if path is None:
        raise RigError(f"{name} is not installed (Debian: apt-get install mosquitto)")
    return path
