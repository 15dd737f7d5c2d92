"""``solarrally rate`` as people run it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from billing_service.cli import app
from tests.adapters import ocpi_examples as ex
from tests.adapters.test_ocpi_codecs import HOUR, write


def test_it_prints_one_json_object(tmp_path: Path) -> None:
    """On standard output, and nothing else."""
    result = CliRunner().invoke(
        app,
        [
            "rate",
            "--tariff",
            str(write(tmp_path, "t.json", ex.PER_KWH)),
            "--cdr",
            str(write(tmp_path, "c.json", HOUR)),
        ],
    )
    assert result.exit_code == 0
    assert Decimal(json.loads(result.stdout)["total_cost"]["incl_vat"]) == Decimal(
        "0.275"
    )


def test_bad_input_is_exit_2_with_a_line_for_each_problem(tmp_path: Path) -> None:
    """On standard error, and nothing is printed that could pass for a result."""
    bad = ex.tariff(ex.element(ex.component("ENERGY", 1, 101, -1)))
    result = CliRunner().invoke(
        app,
        [
            "rate",
            "--tariff",
            str(write(tmp_path, "t.json", bad)),
            "--cdr",
            str(tmp_path / "none.json"),
        ],
    )
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(": ")[2] for line in result.stderr.splitlines()] == [
        "$.elements[0].price_components[0].vat",
        "$.elements[0].price_components[0].step_size",
        "cannot be read",
    ]


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ([], ["error: --tariff: is missing", "error: --cdr: is missing"]),
        (["--tariff", "t.json"], ["error: --cdr: is missing"]),
        (["--cdr", "c.json"], ["error: --tariff: is missing"]),
        (
            ["--tariff", ".", "--cdr", "none.json"],
            [
                "error: .: cannot be read: Is a directory",
                "error: none.json: cannot be read: No such file or directory",
            ],
        ),
    ],
)
def test_what_is_missing_is_a_plain_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], lines: list[str]
) -> None:
    """Without the box that Typer would draw around the first of them."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["rate", *given])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == lines


@pytest.mark.parametrize(
    ("tariff", "cdr", "wrong"),
    [({"currency": "ZZZ"}, {}, "t.json"), ({}, {"currency": "ZZZ"}, "c.json")],
)
def test_a_currency_that_there_is_not(
    tmp_path: Path, tariff: dict[str, Any], cdr: dict[str, Any], wrong: str
) -> None:
    """In the tariff or in the CDR."""
    files = {"t.json": ex.PER_KWH | tariff, "c.json": HOUR | cdr}
    written = {name: str(write(tmp_path, name, data)) for name, data in files.items()}
    given = ["--tariff", written["t.json"], "--cdr", written["c.json"]]
    result = CliRunner().invoke(app, ["rate", *given])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line == (
        f"error: {written[wrong]}: $.currency: must be an ISO 4217 code such as EUR, "
        "not 'ZZZ'"
    )


def test_it_takes_an_id_that_could_not_be_stored(tmp_path: Path) -> None:
    """Other systems' tariffs are rated as they are."""
    tariff = write(tmp_path, "t.json", ex.PER_KWH | {"id": "a/b ä"})
    cdr = write(tmp_path, "c.json", HOUR)
    given = ["--tariff", str(tariff), "--cdr", str(cdr)]
    assert CliRunner().invoke(app, ["rate", *given]).exit_code == 0
