"""The generated access files, in force at a real broker."""

import asyncio
import json
import os
import pwd
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from typer.testing import CliRunner

from billing_service.adapters.mqtt.access import (
    BILLING,
    HOME_ASSISTANT,
    AccessFilesUnusable,
    Credential,
    write_access,
)
from billing_service.cli import app
from scripts.rig.broker import find
from scripts.rig.ports import HOST, free_port
from scripts.rig.process import Program

LEAVES = ("telemetry", "backlog", "state", "info", "status", "event", "result")


@asynccontextmanager
async def broker_with(folder: Path) -> AsyncIterator[int]:
    """Run a Mosquitto with the generated files and one listener; yield its port."""
    port = free_port()
    lines = [
        f"listener {port} {HOST}",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
    ]
    async with _mosquitto(folder, lines, port):
        yield port


@asynccontextmanager
async def two_listeners(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run a Mosquitto with the generated listeners; yield the stations' port and the services'."""
    stations, services = free_port(), free_port()
    made = (folder / "listeners.conf").read_text()
    moved = made.replace("listener 1883", f"listener {stations} {HOST}")
    moved = moved.replace(f"listener 1884 {HOST}", f"listener {services} {HOST}")
    data = [f"persistence_location {folder}/", "persistence true"]
    async with _mosquitto(folder, [*data, moved], services):
        yield stations, services


@asynccontextmanager
async def _mosquitto(
    folder: Path, lines: Sequence[str], port: int
) -> AsyncIterator[None]:
    config = folder / "mosquitto.conf"
    if os.getuid() == 0:
        lines = [f"user {pwd.getpwuid(0).pw_name}", *lines]
    await asyncio.to_thread(config.write_text, "\n".join(lines) + "\n")
    program = Program(
        "Mosquitto", [find("mosquitto"), "-c", str(config)], log=folder / "log"
    )
    await program.start()
    try:
        await program.until_listening(port, within_s=10)
        yield
    finally:
        await program.stop()


def client(port: int, credential: Credential) -> aiomqtt.Client:
    """Return a client that signs in with the credential."""
    return aiomqtt.Client(
        HOST,
        port,
        username=credential.username,
        password=credential.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )


def kept(port: int, credential: Credential, identifier: str) -> aiomqtt.Client:
    """Return a client whose session the broker keeps, as it keeps a service's."""
    connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
    connect.SessionExpiryInterval = 600
    return aiomqtt.Client(
        HOST,
        port,
        username=credential.username,
        password=credential.password,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=connect,
    )


async def heard(reader: aiomqtt.Client, until: str) -> list[str]:
    """Return the topics that arrive, up to the one that ends the list."""
    topics: list[str] = []
    async with asyncio.timeout(10):
        async for message in reader.messages:
            if message.topic.value == until:
                return topics
            topics.append(message.topic.value)
    return topics


def by_name(credentials: Sequence[Credential]) -> dict[str, Credential]:
    """Return the credentials by user."""
    return {credential.username: credential for credential in credentials}


@pytest.mark.asyncio
async def test_a_station_speaks_for_itself_alone(tmp_path: Path) -> None:
    """Its own topics reach the service; another's, the plain topic and commands do not."""
    made = by_name(write_access(tmp_path, "ev", ["garage", "carport"]))
    async with broker_with(tmp_path) as port, client(port, made[BILLING]) as billing:
        await billing.subscribe("ev/#", qos=1)
        async with client(port, made["garage"]) as garage:
            for leaf in (*LEAVES, "command"):
                await garage.publish(f"ev/garage/{leaf}", "x", qos=1)
                await garage.publish(f"ev/carport/{leaf}", "x", qos=1)
            await garage.publish("ev/telemetry", "x", qos=1)
        async with client(port, made["carport"]) as carport:
            await carport.publish("ev/carport/status", "x", qos=1)
        assert await heard(billing, "ev/carport/status") == [
            f"ev/garage/{leaf}" for leaf in LEAVES
        ]


@pytest.mark.asyncio
async def test_a_station_announces_itself_alone(tmp_path: Path) -> None:
    """To a Home Assistant that knows it from its announcement only; never as a neighbour."""
    made = by_name(write_access(tmp_path, "ev", ["garage", "carport"]))
    topics = [
        f"homeassistant/device/solarrally_{name}/config"
        for name in ("carport", "garage")
    ]
    async with (
        broker_with(tmp_path) as port,
        client(port, made[HOME_ASSISTANT]) as home_assistant,
    ):
        await home_assistant.subscribe([("homeassistant/#", 1), ("ev/#", 1)])
        async with client(port, made["garage"]) as garage:
            for topic in (*topics, "homeassistant/status", "ev/garage/status"):
                await garage.publish(topic, "x", qos=1)
        assert await heard(home_assistant, "ev/garage/status") == topics[1:]


@pytest.mark.asyncio
async def test_a_station_hears_its_own_commands_alone(tmp_path: Path) -> None:
    """Home Assistant and the service command; a station cannot listen in on its neighbour."""
    made = by_name(write_access(tmp_path, "ev", ["garage", "carport"]))
    async with broker_with(tmp_path) as port, client(port, made["garage"]) as garage:
        await garage.subscribe("#", qos=1)
        for name in (BILLING, HOME_ASSISTANT):
            async with client(port, made[name]) as commander:
                await commander.publish("ev/carport/command", "x", qos=1)
                await commander.publish("ev/garage/command", "x", qos=1)
        async with asyncio.timeout(10):
            messages = [await anext(garage.messages) for _ in range(2)]
        assert {message.topic.value for message in messages} == {"ev/garage/command"}


@pytest.mark.asyncio
async def test_nobody_gets_in_with_a_wrong_password(tmp_path: Path) -> None:
    """A renewed password makes the old one worthless."""
    old = by_name(write_access(tmp_path, "ev", ["garage"]))
    new = by_name(write_access(tmp_path, "ev", ["garage"], renew=["garage"]))
    assert list(new) == ["garage"]
    async with broker_with(tmp_path) as port:
        async with client(port, new["garage"]):
            pass
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            async with client(port, old["garage"]):
                pass


@pytest.mark.asyncio
async def test_nobody_takes_another_s_session(tmp_path: Path) -> None:
    """A station that knows the client ids of the service and of its neighbour gets neither.

    What waits for them is still there, also when the broker has restarted, and the neighbour's
    connection, which is of the firmware's kind, stays.
    """
    made = by_name(write_access(tmp_path, "ev", ["garage", "carport"]))
    service, neighbour = "solarrally-billing", "solarrally-carport-aabbccddeeff"
    async with two_listeners(tmp_path) as (stations, services):
        async with kept(services, made[BILLING], service) as billing:
            await billing.subscribe("ev/+/telemetry", qos=1)
        async with kept(stations, made["carport"], neighbour) as carport:
            await carport.subscribe("ev/carport/command", qos=1)
        async with client(services, made[HOME_ASSISTANT]) as home_assistant:
            await home_assistant.publish("ev/carport/command", "stop", qos=1)
            await home_assistant.publish("ev/carport/command", "end", qos=1)

        async def steal() -> None:
            for identifier in (service, neighbour, "carport"):
                async with kept(stations, made["garage"], identifier):
                    pass
                with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
                    async with kept(services, made["garage"], identifier):
                        pass

        async with aiomqtt.Client(
            HOST,
            stations,
            username="carport",
            password=made["carport"].password,
            identifier="solarrally-carport-001122334455",
            clean_session=False,
            protocol=aiomqtt.ProtocolVersion.V311,
        ) as carport:
            for number in range(3):
                await carport.publish("ev/carport/telemetry", str(number), qos=1)
            await steal()
            await carport.publish("ev/carport/telemetry", "last", qos=1)
            async with asyncio.timeout(10):
                commands = [await anext(carport.messages) for _ in range(2)]
        assert [each.payload for each in commands] == [b"stop", b"end"]
    async with (
        two_listeners(tmp_path) as (_, services),
        kept(services, made[BILLING], service) as billing,
        asyncio.timeout(10),
    ):
        waiting = [await anext(billing.messages) for _ in range(4)]
    assert [each.payload for each in waiting] == [b"0", b"1", b"2", b"last"]


@pytest.mark.asyncio
async def test_a_service_is_refused_where_stations_connect(tmp_path: Path) -> None:
    """There all its connections would have one client id, and end each other."""
    made = by_name(write_access(tmp_path, "ev", ["garage"]))
    async with two_listeners(tmp_path) as (stations, _):
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            async with client(stations, made[BILLING]):
                pass


def test_listeners_stay_as_they_were_changed(tmp_path: Path) -> None:
    """Ports and certificates are set by hand; passwords of new stations come beside."""
    write_access(tmp_path, "ev", ["garage"])
    (tmp_path / "listeners.conf").write_text("listener 8883\n")
    write_access(tmp_path, "ev", ["garage", "carport"])
    assert (tmp_path / "listeners.conf").read_text() == "listener 8883\n"
    assert "carport:" in (tmp_path / "passwords.stations").read_text()


def test_passwords_stay_until_renewed_and_go_with_their_station(tmp_path: Path) -> None:
    """A second run makes only what is missing; a removed station loses its entry."""
    assert len(write_access(tmp_path, "ev", ["garage", "carport"])) == 4
    assert write_access(tmp_path, "ev", ["garage", "carport"]) == []
    assert list(by_name(write_access(tmp_path, "ev", ["garage", "barn"]))) == ["barn"]
    users = [
        line.split(":")[0] for line in (tmp_path / "passwords").read_text().splitlines()
    ]
    assert users == [BILLING, HOME_ASSISTANT, "barn", "garage"]


def test_the_files_keep_their_secrets(tmp_path: Path) -> None:
    """Readable by their owner alone, and without a password in them."""
    made = write_access(tmp_path, "ev", ["garage"])
    written = {each.name for each in tmp_path.iterdir()}
    assert written == {
        "acl",
        "listeners.conf",
        "passwords",
        "passwords.services",
        "passwords.stations",
    }
    for name in written:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    text = (tmp_path / "passwords").read_text()
    assert not any(credential.password in text for credential in made)
    assert not any(credential.password in repr(credential) for credential in made)


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A file that is not ours, a folder that cannot be, and an unknown user are refused."""
    (tmp_path / "passwords").write_text("garage:plain\n")
    with pytest.raises(AccessFilesUnusable, match="line 1"):
        write_access(tmp_path, "ev", ["garage"])
    with pytest.raises(AccessFilesUnusable, match="Not a directory"):
        write_access(tmp_path / "passwords" / "x", "ev", [])
    with pytest.raises(AccessFilesUnusable, match="no user barn"):
        write_access(tmp_path / "new", "ev", ["garage"], renew=["barn"])


@pytest.mark.asyncio
async def test_the_command_s_files_hold_at_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``solarrally mqtt-access``: registered stations get in and speak for themselves alone."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mosquitto"

    def solarrally(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def access(*arguments: str) -> dict[str, Credential]:
        made = json.loads(solarrally("mqtt-access", str(folder), "--json", *arguments))
        return {name: Credential(name, password) for name, password in made.items()}

    def prepare() -> dict[str, Credential]:
        for station in ("garage", "carport"):
            solarrally("station", "add", station)
        made = access()
        assert access() == {}
        return made | access("--renew", "carport")

    made = await asyncio.to_thread(prepare)
    assert set(made) == {BILLING, HOME_ASSISTANT, "garage", "carport"}
    async with broker_with(folder) as port, client(port, made[BILLING]) as billing:
        await billing.subscribe("$share/ingest/ev/#", qos=1)
        async with client(port, made["garage"]) as garage:
            await garage.publish("ev/carport/telemetry", "x", qos=1)
            await garage.publish("ev/garage/telemetry", "x", qos=1)
        async with client(port, made["carport"]) as carport:
            await carport.publish("ev/carport/status", "x", qos=1)
        assert await heard(billing, "ev/carport/status") == ["ev/garage/telemetry"]
