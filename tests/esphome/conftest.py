"""What the firmware's tests share: ESPHome, throw-away secrets, the built twin."""

import base64
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "esphome"))

# The bench lives beside the firmware, not in a package of the environment.
from bench.bench import Bench  # noqa: E402
from bench.twin import Twin, build, copy_sources  # noqa: E402
from bench.twin import esphome as esphome_command  # noqa: E402

from .broker import Broker  # noqa: E402

type RunEsphome = Callable[..., subprocess.CompletedProcess[str]]


def write_secrets(folder: Path) -> None:
    """Fill a secrets file with values that were never used before."""
    (folder / "secrets.yaml").write_text(
        f'wifi_ssid: "{secrets.token_hex(4)}"\n'
        f'wifi_password: "{secrets.token_urlsafe(12)}"\n'
        f'fallback_ap_password: "{secrets.token_urlsafe(12)}"\n'
        f'api_encryption_key: "{base64.b64encode(secrets.token_bytes(32)).decode()}"\n'
        "mqtt_certificate_authority: |\n"
        "  -----BEGIN CERTIFICATE-----\n"
        f"  {base64.b64encode(secrets.token_bytes(48)).decode()}\n"
        "  -----END CERTIFICATE-----\n"
        f'mqtt_username: "{secrets.token_hex(4)}"\n'
        f'mqtt_password: "{secrets.token_urlsafe(12)}"\n'
    )


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the firmware's sources with secrets of its own."""
    folder = tmp_path_factory.mktemp("firmware")
    copy_sources(folder)
    write_secrets(folder)
    return folder


@pytest.fixture(scope="session")
def esphome(firmware: Path) -> RunEsphome:
    """Run ESPHome in the copy."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [esphome_command(), *arguments],
            cwd=firmware,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def twin_program() -> Path:
    """The twin, built from the working tree."""
    return build()


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench with sun, grid and no car."""
    async with Bench() as bench:
        yield bench


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker. At the end everything that the station said must have been to the contract."""
    async with Broker(tmp_path) as broker:
        yield broker
        assert broker.ear.wrong == []


@pytest.fixture
def twin(twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker) -> Twin:
    """A station that was never switched on before; it has a card."""
    card = tmp_path / "card"
    card.mkdir()
    return Twin(
        twin_program,
        tmp_path / "home",
        {
            **bench.environment,
            "SOLARRALLY_BROKER_PORT": str(broker.port),
            "SOLARRALLY_CARD": str(card),
        },
    )


@pytest_asyncio.fixture
async def station(twin: Twin, broker: Broker) -> AsyncIterator[Twin]:
    """A station that is on and connected."""
    async with twin:
        await broker.until(lambda ear: "online" in ear.of("status"))
        yield twin
