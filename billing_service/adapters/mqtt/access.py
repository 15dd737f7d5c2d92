"""Who may do what at the broker: Mosquitto's password and access files, made for our stations.

A station signs in with its own id as user name and may speak for itself alone. The plain topic
``{prefix}/telemetry``, on which a frame names its station itself, is therefore open to nobody.
"""

import base64
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# With a dot, which no station's id has: nobody can be taken for a station.
BILLING = "billing.service"
HOME_ASSISTANT = "home.assistant"
SERVICES = (BILLING, HOME_ASSISTANT)

ACL_FILE = "acl"
PASSWORD_FILE = "passwords"  # noqa: S105 - a file's name
SERVICE_PASSWORD_FILE = f"{PASSWORD_FILE}.services"
STATION_PASSWORD_FILE = f"{PASSWORD_FILE}.stations"
LISTENER_FILE = "listeners.conf"

_ITERATIONS = 20_000
_SALT_BYTES = 12
_ENTRY = re.compile(r"(?P<user>[a-z0-9_.-]{1,64}):\$[67]\$\S+")


class AccessFilesUnusable(Exception):
    """The files cannot be read or written; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and the password that was just made; it is shown once and stored only as a hash."""

    username: str
    password: str = field(repr=False)


def acl(prefix: str, stations: Iterable[str] = ()) -> str:
    """Return Mosquitto's access file for the contract's topics (docs/protocol/mqtt.md).

    Each of ``stations`` may also announce itself to a Home Assistant without our integration.
    """
    own = f"{prefix}/%u"
    writes = ("telemetry", "backlog", "state", "info", "status", "event", "result")
    lines = [
        "# Made by solarrally mqtt-access. A station may speak for itself alone.",
        *(f"pattern write {own}/{leaf}" for leaf in writes),
        f"pattern read {own}/command",
        "",
        f"user {BILLING}",
        f"topic read {prefix}/#",
        f"topic write {prefix}/+/command",
        "",
        f"user {HOME_ASSISTANT}",
        f"topic read {prefix}/#",
        f"topic write {prefix}/+/command",
        # Removing a station's device there clears its retained messages.
        *(f"topic write {prefix}/+/{leaf}" for leaf in ("info", "state", "status")),
        "topic readwrite homeassistant/#",
    ]
    for station in sorted(set(stations)):
        # No pattern can say this: %u has to be a whole level.
        announcement = f"homeassistant/device/solarrally_{station}/config"
        lines += ["", f"user {station}", f"topic write {announcement}"]
    return "\n".join(lines) + "\n"


def listeners(folder: Path) -> str:
    """Return Mosquitto's listeners that work with the files in a folder.

    The broker gives a session, with all that waits in it, to whoever connects under its client
    id, whatever their user is. So stations get a listener where the client id is the user's name,
    and may use no other. The service needs several sessions and has a listener of its own.
    """
    return f"""\
# Made by solarrally mqtt-access, once: change addresses and ports, and add certfile and keyfile.
# For a mosquitto.conf that has no listener and no password_file of its own.
per_listener_settings true

# Stations. The broker calls each by its user, whatever it calls itself.
listener 1883
allow_anonymous false
use_username_as_clientid true
password_file {folder / STATION_PASSWORD_FILE}
acl_file {folder / ACL_FILE}

# The service and Home Assistant, on this machine; no station has a password here.
listener 1884 127.0.0.1
allow_anonymous false
password_file {folder / SERVICE_PASSWORD_FILE}
acl_file {folder / ACL_FILE}
"""


def write_access(
    folder: Path, prefix: str, stations: Iterable[str], *, renew: Iterable[str] = ()
) -> list[Credential]:
    """Write the files and return the credentials that are new.

    Users who have a password keep it unless they are in ``renew``; users who are neither a
    station's nor ours lose theirs. The files replace the old ones in one step each and can be
    read by their owner alone; listeners that are there stay as they are. Raises
    AccessFilesUnusable.
    """
    stations = sorted(set(stations))
    wanted = [*SERVICES, *stations]
    unknown = sorted(set(renew) - set(wanted))
    if unknown:
        raise AccessFilesUnusable(f"there is no user {unknown[0]} to renew")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = _read(folder / PASSWORD_FILE)
        made = []
        for username in wanted:
            if username not in entries or username in set(renew):
                credential = Credential(username, secrets.token_urlsafe(24))
                entries[username] = _entry(credential)
                made.append(credential)
        for name, users in (
            (PASSWORD_FILE, wanted),
            (SERVICE_PASSWORD_FILE, SERVICES),
            (STATION_PASSWORD_FILE, stations),
        ):
            _replace(folder / name, "".join(f"{entries[user]}\n" for user in users))
        _replace(folder / ACL_FILE, acl(prefix, stations))
        if not (folder / LISTENER_FILE).exists():
            _replace(folder / LISTENER_FILE, listeners(folder.resolve()))
    except OSError as error:
        raise AccessFilesUnusable(
            f"{error.filename or folder}: {error.strerror}"
        ) from error
    return made


def _read(file: Path) -> dict[str, str]:
    """Return the file's lines by user."""
    if not file.exists():
        return {}
    entries = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            raise AccessFilesUnusable(
                f"{file}, line {number}, is not a user and a hashed password;"
                " move the file away to begin anew"
            )
        entries[entry["user"]] = line
    return entries


def _entry(credential: Credential) -> str:
    """Return a line of the password file: PBKDF2-HMAC-SHA512, as mosquitto_passwd(1) writes it."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac(
        "sha512", credential.password.encode(), salt, _ITERATIONS
    )
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{credential.username}:$7${_ITERATIONS}${'$'.join(parts)}"


def _replace(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, whole."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
