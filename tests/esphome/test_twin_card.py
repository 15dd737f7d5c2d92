"""The twin with a card that is not as it should be: told at once, never a stop, and what can be read is sent."""

import json
import zlib
from pathlib import Path

import pytest
from bench.bench import Bench
from bench.twin import Twin

from .broker import Broker, charge

pytestmark = pytest.mark.asyncio

OLD_FRAME = {
    "station": "twin",
    "boot": 4_000_000_000,
    "seq": 0,
    "timestamp": "2026-11-20T12:00:00.000Z",
    "V": 230.0,
    "I": 0.0,
    "P": 0.0,
    "source": "none",
    "clock": "synced",
}


def log_line(frame: object) -> str:
    """One line of docs/protocol/offline-log.md."""
    text = json.dumps(frame, separators=(",", ":"))
    return f"{text}\t{zlib.crc32(text.encode()):08x}\n"


async def until_sd(broker: Broker, state: str) -> None:
    """Wait until the station says so of its card."""
    await broker.until(
        lambda ear: bool(ear.of("state")) and ear.of("state")[-1]["sd"] == state
    )


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card with one frame of an earlier boot."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "twin-20261120-0.log").write_text(log_line(OLD_FRAME))
    return folder


@pytest.fixture
def twin(
    twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker, card: Path
) -> Twin:
    """A station with this card."""
    environment = {
        **bench.environment,
        "SOLARRALLY_BROKER_PORT": str(broker.port),
        "SOLARRALLY_CARD": str(card),
    }
    return Twin(twin_program, tmp_path / "home", environment)


async def test_a_card_that_takes_nothing_is_told_and_read(
    broker: Broker, bench: Bench, twin: Twin, card: Path
) -> None:
    """Write-protected: failed from the start, not at the first outage; its frames arrive all the same."""
    # Even root cannot write a file in the place of a folder.
    obstacle = card / "twin.sent.new"
    obstacle.mkdir()
    async with twin:
        await until_sd(broker, "failed")
        assert {state["sd"] for state in broker.ear.of("state")} == {"failed"}
        await broker.until(lambda ear: [OLD_FRAME] in ear.of("backlog"))
        await charge(broker, bench)
        obstacle.rmdir()
        await until_sd(broker, "ok")
    assert broker.ear.of("backlog").count([OLD_FRAME]) == 1


async def test_a_card_that_cannot_be_seen_whole_is_told(
    broker: Broker, bench: Bench, twin: Twin, card: Path
) -> None:
    """A file of which only the name is known: nothing is written, for it may be an old boot's, and it charges."""
    hidden = card / "twin-20261121-0.log"
    hidden.symlink_to("nowhere")
    async with twin:
        await until_sd(broker, "failed")
        await charge(broker, bench)
        assert sorted(path.name for path in card.iterdir()) == [
            "twin-20261120-0.log",
            hidden.name,
        ]
        hidden.unlink()
        await until_sd(broker, "ok")
        await broker.until(lambda ear: [OLD_FRAME] in ear.of("backlog"))
