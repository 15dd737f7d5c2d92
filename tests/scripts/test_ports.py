"""Ports of the rig."""

import socket
from pathlib import Path

import pytest

from scripts.rig.ports import HOST, Ports, free_port, is_free
from scripts.rig.process import RigError


def _listening() -> socket.socket:
    server = socket.socket()
    server.bind((HOST, 0))
    server.listen()
    return server


def test_a_free_port_is_taken_as_preferred() -> None:
    """Nothing is said about a port that is free."""
    with _listening() as server:
        port = server.getsockname()[1]
    ports = Ports()
    assert ports.choose(port, "the broker") == port
    assert ports.notes == []


def test_a_taken_port_is_avoided_and_noted() -> None:
    """The next free one is chosen, and the reason is kept for a person."""
    with _listening() as server:
        taken = server.getsockname()[1]
        ports = Ports()
        chosen = ports.choose(taken, "the broker")
    assert chosen > taken
    assert ports.notes == [f"Port {taken} is taken; the broker uses {chosen}."]


def test_no_port_is_given_twice() -> None:
    """Two servers that prefer the same port get different ones."""
    with _listening() as server:
        port = server.getsockname()[1]
    ports = Ports()
    assert ports.choose(port, "one") != ports.choose(port, "other")


def test_no_free_port_is_an_error() -> None:
    """The message names the range that was tried."""
    with pytest.raises(RigError, match="no free port for the broker"):
        Ports().choose(65536, "the broker")


def test_a_servers_port_is_not_one_that_the_system_gives_to_clients() -> None:
    """A client that connects again and again cannot sit on the port of the server it waits for."""
    first_for_clients = int(
        Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0]
    )
    port = free_port()
    assert is_free(port)
    assert port < first_for_clients


def test_two_sites_that_start_at_once_get_different_ports() -> None:
    """A port is given once, also before its server listens; it can be had again afterwards."""
    preferred = free_port()
    first, second = Ports(), Ports()
    assert first.choose(preferred, "it") == preferred
    assert second.choose(preferred, "it") != preferred
    first.release()
    second.release()
    third = Ports()
    assert third.choose(preferred, "it") == preferred
    third.release()
