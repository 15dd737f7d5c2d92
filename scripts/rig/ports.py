"""Ports that nobody else uses."""

import contextlib
import os
import random
import socket
from dataclasses import dataclass, field

from scripts.rig.process import RigError

HOST = "127.0.0.1"
_TRIES = 200
# Below what Linux, macOS and Windows hand out to clients: while a server restarts, no client that
# happens to get its port, not even its own one that tries to reconnect, can take it away.
_SERVERS = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with contextlib.closing(socket.socket()) as probe:
        # As servers do: a connection that lingers in TIME_WAIT does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that a server can use and come back to. Raises RigError when none is free."""
    for _ in range(_TRIES):
        port = random.choice(_SERVERS)  # noqa: S311 - for tests, not for secrets
        if is_free(port):
            return port
    raise RigError(
        f"no free port among {_TRIES} between {_SERVERS.start} and {_SERVERS.stop - 1}"
    )


@dataclass
class Ports:
    """Hands out ports, each once. What was taken is noted for a person to read."""

    notes: list[str] = field(default_factory=list)
    _held: dict[int, int] = field(default_factory=dict)

    def choose(self, preferred: int, what: str) -> int:
        """Return `preferred`, or the next port that is free. Raises RigError when none is."""
        for port in range(preferred, min(preferred + _TRIES, 65536)):
            if port not in self._held and is_free(port) and self._hold(port):
                if port != preferred:
                    self.notes.append(f"Port {preferred} is taken; {what} uses {port}.")
                return port
        raise RigError(
            f"no free port for {what} between {preferred} and {preferred + _TRIES - 1}"
        )

    def _hold(self, port: int) -> bool:
        """Keep another site off `port` until this process ends, for its server listens only later.

        Return whether no other has it: a name in the kernel that leaves with its owner.
        """
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0solarrally-port-{port}")
        except OSError:
            held.close()
            return False
        self._held[port] = held.detach()
        return True

    def release(self) -> None:
        """Let others have them."""
        for held in self._held.values():
            os.close(held)
        self._held.clear()
