"""`scripts/demo --once`: a charging session becomes a bill and shows in Home Assistant."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import jsonschema
import pypdf
import pytest

from scripts.rig.billing import PRICES
from tests.e2e.command import ROOT, DemoCommand
from tests.e2e.recomputed import (
    cost_of,
    energy_by_power,
    energy_by_registers,
    read_frames,
)


@dataclass(frozen=True)
class Once:
    """One run of the command, after its end."""

    status: int
    text: str
    left_over: list[int]
    out: Path

    def read(self, name: str) -> Any:
        """Return a JSON file of the results."""
        return json.loads((self.out / name).read_text())

    @property
    def bill(self) -> dict[str, Any]:
        """The bill."""
        return dict(self.read("bill.json"))

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The frames of the session."""
        return [it for it in read_frames(self.out / "frames.jsonl") if it["session"]]

    def shown(self, key: str) -> str:
        """What Home Assistant shows as the station's entity of this key."""
        entities = self.read("home-assistant.json")["entities"]
        (entity,) = (it for it in entities if it["unique_id"].endswith(f"/{key}"))
        return str(entity["state"])


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Once]:
    """Run the command once for all tests of this module."""
    out = tmp_path_factory.mktemp("once")
    with DemoCommand(["--once", "--out", str(out)]) as command:
        status = command.finish(within_s=900)
        yield Once(status, command.text, command.processes(), out)


def test_it_ends_well_and_sums_up(once: Once) -> None:
    """It exits 0 and names the bill, its total and where the results are."""
    assert once.status == 0, once.text
    assert once.bill["number"] in once.text
    assert f"{once.bill['total']} EUR" in once.text
    assert str(once.out) in once.text


def test_no_process_is_left(once: Once) -> None:
    """Everything it started has ended with it."""
    assert once.left_over == []


def test_frames_are_as_published(once: Once) -> None:
    """Each line is a frame of the contract, and none was heard twice or lost."""
    schema = json.loads((ROOT / "docs/protocol/schemas/frame.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    lines = (once.out / "frames.jsonl").read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    for frame in frames:
        validator.validate(frame)
    assert [it["seq"] for it in frames] == list(range(len(frames)))


def test_a_vehicle_came_charged_and_left(once: Once) -> None:
    """The pilot goes from no vehicle over connected and charging back to no vehicle."""
    frames = read_frames(once.out / "frames.jsonl")
    states = [pilot for pilot, _ in groupby(it["pilot"] for it in frames)]
    assert states[0] == states[-1] == "A"
    assert "B" in states
    assert "C" in states


def test_the_sun_and_the_grid_were_used(once: Once) -> None:
    """The sun goes in the middle of the session: grid stands between solar and solar."""
    sources = [it["source"] for it in once.frames if it["source"] != "none"]
    spells = [source for source, _ in groupby(sources)]
    assert spells[0] == spells[-1] == "solar"
    assert "grid" in spells


def test_billed_energy_is_what_the_registers_say(once: Once) -> None:
    """Solar and grid energy of the bill agree with the frames to the Wh."""
    energy = energy_by_registers(once.frames)
    (billed,) = once.bill["sessions"]
    assert energy.solar_wh > 0
    assert energy.grid_wh > 0
    assert Decimal(billed["solar_wh"]) == energy.solar_wh
    assert Decimal(billed["grid_wh"]) == energy.grid_wh
    assert (
        Decimal(billed["meter_stop_wh"]) - Decimal(billed["meter_start_wh"])
        == energy.total_wh
    )


def test_integrated_power_agrees(once: Once) -> None:
    """The service's Σ P·Δt is ours to the Wh, and close to the registers."""
    session = once.read("session.json")
    integrated = energy_by_power(once.frames)
    registers = energy_by_registers(once.frames).total_wh
    assert abs(Decimal(session["integrated_wh"]) - integrated) < 1
    assert abs(integrated - registers) / registers < Decimal("0.02")


def test_the_session_is_whole(once: Once) -> None:
    """Every frame of the session is in it, and nothing about it is doubtful."""
    session = once.read("session.json")
    assert session["status"] == "COMPLETED"
    assert session["flags"] == []
    assert session["frames"] == str(len(once.frames))
    assert session["bill_number"] == once.bill["number"]


def test_cost_is_right_to_the_cent(once: Once) -> None:
    """Each line, the VAT and the total are what the prices make of the energy."""
    cost = cost_of(energy_by_registers(once.frames), PRICES)
    bill = once.bill
    (billed,) = bill["sessions"]
    amounts = [Decimal(line["amount"]) for line in billed["lines"]]
    assert sorted(amounts) == sorted(cost.lines)
    assert Decimal(bill["net"]) == cost.net
    assert Decimal(bill["vat"]) == cost.vat
    assert Decimal(bill["total"]) == cost.total


def test_all_numbers_of_the_bill_are_text(once: Once) -> None:
    """No reader's binary fractions come between the bill and the cent."""

    def numbers(value: Any) -> Iterator[Any]:
        match value:
            case dict():
                for each in value.values():
                    yield from numbers(each)
            case list():
                for each in value:
                    yield from numbers(each)
            case bool() | None | str():
                return
            case _:
                yield value

    assert list(numbers(once.bill)) == []


def test_the_document_says_what_the_bill_says(once: Once) -> None:
    """The PDF shows number, both energies and the total."""
    reader = pypdf.PdfReader(once.out / "bill.pdf")
    text = "".join(page.extract_text() for page in reader.pages)
    (billed,) = once.bill["sessions"]
    assert once.bill["number"] in text
    assert once.bill["total"] in text
    for energy_wh in (billed["solar_wh"], billed["grid_wh"]):
        assert f"{Decimal(energy_wh) / 1000:.3f}" in text


@pytest.mark.parametrize(
    ("entity", "of_the_bill"),
    [("session_solar_energy", "solar_wh"), ("session_grid_energy", "grid_wh")],
)
def test_home_assistant_shows_the_billed_energy(
    once: Once, entity: str, of_the_bill: str
) -> None:
    """The session's energies in Home Assistant are the bill's, to the Wh."""
    (billed,) = once.bill["sessions"]
    assert Decimal(once.shown(entity)) * 1000 == Decimal(billed[of_the_bill])


@pytest.mark.parametrize(
    ("entity", "meter"),
    [("energy", None), ("solar_energy", "solar"), ("grid_energy", "grid")],
)
def test_home_assistant_shows_the_registers(
    once: Once, entity: str, meter: str | None
) -> None:
    """The energy totals in Home Assistant are the last frame's registers."""
    last = once.frames[-1]
    register_wh = (last[meter] if meter else last)["E"]
    assert Decimal(once.shown(entity)) * 1000 == register_wh


def test_every_entity_is_available(once: Once) -> None:
    """The station is there, and all that is enabled shows it."""
    entities = once.read("home-assistant.json")["entities"]
    enabled = [it for it in entities if it["disabled_by"] is None]
    assert len(enabled) > 20
    assert [it["entity_id"] for it in enabled if it["state"] == "unavailable"] == []
