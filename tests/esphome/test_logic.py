"""The pure C++ logic under GoogleTest and sanitizers, and the randomised model test."""

import re
import secrets
import subprocess
from pathlib import Path

import pytest

LOGIC_TESTS = Path(__file__).parent / "logic"
# At least ten million steps, half with a seed that never changes and half with a fresh one: of the whole station, and
# fewer, for they are longer, of the way that a frame takes to the broker.
MODEL_STEPS = {"model": 5_000_000, "delivery_model": 1_000_000}
FIXED_SEED = 20261123


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tests are built."""
    folder = tmp_path_factory.mktemp("logic")
    subprocess.run(
        ["cmake", "-G", "Ninja", "-S", LOGIC_TESTS, "-B", folder], check=True
    )
    subprocess.run(["ninja", "-C", folder], check=True)
    return folder


def test_logic(built: Path) -> None:
    """All GoogleTests pass, without a complaint of ASan or UBSan."""
    done = subprocess.run(
        [built / "logic_test"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"\[  PASSED  \] (\d+) tests", done.stdout)
    assert ran
    assert int(ran[1]) >= 70


@pytest.mark.parametrize(
    "seed", [FIXED_SEED, secrets.randbits(32)], ids=["fixed-seed", "fresh-seed"]
)
@pytest.mark.parametrize("model", MODEL_STEPS)
def test_model(built: Path, model: str, seed: int) -> None:
    """No sequence of inputs breaks a rule of safety; the seed is printed so that a failure can be repeated."""
    done = subprocess.run(
        [built / model, str(MODEL_STEPS[model]), str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {seed}" in done.stdout


def test_logic_knows_no_esphome() -> None:
    """No logic file includes ESPHome or reads a clock of its own."""
    component = LOGIC_TESTS.parents[2] / "esphome" / "components" / "solarrally"
    files = [
        *component.glob("*_logic.h"),
        *component.glob("*_logic.cpp"),
        component / "types.h",
    ]
    assert len(files) > 10
    for path in files:
        text = path.read_text()
        assert "esphome/" not in text, path
        assert not re.search(r"\bmillis\(|\btime\(|chrono|random_device", text), path


@pytest.mark.parametrize(
    "name",
    [
        "control_task.cpp",
        "fetcher_esp32.cpp",
        "mqtt_link_esp32.cpp",
        "storage.cpp",
    ],
)
def test_esp32_only_code_is_well_formed(name: str) -> None:
    """What only the ESP32 compiles agrees with the declarations of the calls it uses."""
    component = LOGIC_TESTS.parents[2] / "esphome" / "components" / "solarrally"
    stubs = LOGIC_TESTS.parent / "esp_idf"
    command = [
        "c++",
        "-std=c++20",
        "-fsyntax-only",
        "-fno-exceptions",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    done = subprocess.run(
        [*command, f"-I{stubs}", f"-I{component}", component / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
