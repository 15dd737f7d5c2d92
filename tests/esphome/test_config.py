"""The YAML: every file validates, errors name the field, and what is generated for the ESP32 is safe."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, RunEsphome

ENTRY_POINTS = sorted(
    path.name
    for path in (ROOT / "esphome").glob("*.yaml")
    if "secrets" not in path.name
)


def test_entry_points_are_found() -> None:
    """The list that the next test runs over holds the station and the twin."""
    assert {"station.yaml", "twin.yaml"} <= set(ENTRY_POINTS)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_point_is_valid(esphome: RunEsphome, name: str) -> None:
    """Each entry point passes ESPHome's validation."""
    done = esphome("config", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Configuration is valid" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_point_only_composes(name: str) -> None:
    """An entry point holds substitutions and packages, nothing else."""
    keys = re.findall(
        r"^([a-z_]+):", (ROOT / "esphome" / name).read_text(), re.MULTILINE
    )
    assert keys == ["substitutions", "packages"]


def test_component_is_read_by_every_python_of_esphome() -> None:
    """ESPHome runs on Python 3.12, too: nothing that an owner's ESPHome imports needs a newer one."""
    files = sorted((ROOT / "esphome" / "components").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        ast.parse(path.read_text(), path.name, feature_version=(3, 12))


def test_targets_offer_the_same_ids() -> None:
    """What packages refer to exists on both targets: same ids, different hardware."""

    def ids(target: str) -> set[str]:
        text = (ROOT / "esphome" / "targets" / f"{target}.yaml").read_text()
        return set(re.findall(r"\bid: (\w+)", text))

    assert ids("esp32") >= {
        "wall_clock",
        "meter_bus",
        "pilot_pwm",
        "pilot_voltage",
        "ota_esphome",
    }
    assert ids("host") >= ids("esp32")


@pytest.mark.parametrize(
    ("where", "line", "message"),
    [
        (
            "contactors:",
            "    dead_time: 99ms",
            "must be between 100ms and 10s, not 99ms",
        ),
        ("contactors:", "    open_timeout: 3s", "must be between 50ms and 2s"),
        (
            "time_id: wall_clock",
            "  max_current: 81A",
            "must be between 6 A and 80 A, not 81A",
        ),
        (
            "time_id: wall_clock",
            "  min_current: 33A",
            "must be between 6 A and 32 A, not 33A",
        ),
        (
            "time_id: wall_clock",
            "  min_current: 20A\n  max_current: 10A",
            "min_current (20 A) is above max_current (10 A)",
        ),
        (
            "time_id: wall_clock",
            "  auto: {return_voltage: 200V}",
            "min_voltage below return_voltage",
        ),
        (
            "time_id: wall_clock",
            "  auto: {max_switches_per_hour: 1}",
            "must be between 2 and 60, not 1",
        ),
        ("time_id: wall_clock", "  phases: 4", "must be between 1 and 3, not 4"),
        ("time_id: wall_clock", "  phases: 2", "must be 1 or 3, not 2"),
        (
            "time_id: wall_clock",
            "  phases: three",
            "must be between 1 and 3, not three",
        ),
        (
            "time_id: wall_clock",
            "  max_current: 32W",
            "must be between 6 A and 80 A, not 32W",
        ),
        (
            "time_id: wall_clock",
            "  auto: {min_voltage: .nan}",
            "must be between 80 V and 480 V, not nan",
        ),
        (
            "contactors:",
            "    dead_time: soon",
            "must be between 100ms and 10s, not soon",
        ),
        (
            "time_id: wall_clock",
            "  follow: {mode: sunshine}",
            "valid options are 'off', 'solar', 'surplus'",
        ),
        (
            "time_id: wall_clock",
            "  cable_current: 10A\n  min_current: 16A",
            "cable_current (10 A) is below min_current (16 A)",
        ),
        (
            "time_id: wall_clock",
            "  min_current: 10A\n  control_lost: {action: limit}",
            "current (6 A) is below min_current (10 A): that is 'action: stop'",
        ),
        (
            "pwm: pilot_pwm",
            "    stop_timeout: 2s",
            "must be between 3s and 10s, not 2s",
        ),
        (
            "time_id: wall_clock",
            "  meters: {solar: {dark_at_most: 10min}}",
            "must be between 1h and 366d, not 10min",
        ),
        (
            "time_id: wall_clock",
            "  control_lost: {action: explode}",
            "valid options are 'keep', 'limit', 'stop'",
        ),
    ],
)
def test_wrong_setting_is_named(
    firmware: Path, esphome: RunEsphome, where: str, line: str, message: str
) -> None:
    """A setting out of its range is refused with the range."""
    (core,) = (
        path
        for path in (firmware / "packages").glob("*.yaml")
        if path.name in ("contactors.yaml", "control_pilot.yaml", "core.yaml")
        and where in path.read_text()
    )
    original = core.read_text()
    keys = tuple(f"{row.split(':')[0].strip()}:" for row in line.splitlines())
    kept = "\n".join(
        row for row in original.splitlines() if not row.strip().startswith(keys)
    )
    try:
        core.write_text(kept.replace(where, f"{where}\n{line}", 1) + "\n")
        done = esphome("config", "twin.yaml")
    finally:
        core.write_text(original)
    assert done.returncode != 0
    assert message in re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_update_hosts_are_names_alone(firmware: Path, esphome: RunEsphome) -> None:
    """What stands on the list of allowed hosts is a name, or nothing would ever match it."""
    done = esphome("-s", "update_hosts", "https://x.org/f", "config", "twin.yaml")
    assert done.returncode != 0
    assert "without scheme, port or path" in re.sub(
        r"\s+", " ", done.stdout + done.stderr
    )


@pytest.mark.parametrize("broker", ["", "mqtt://host", "host:1883", "my host"])
def test_bad_broker_is_named(firmware: Path, esphome: RunEsphome, broker: str) -> None:
    """What is no host alone is refused, or the station would never find its broker."""
    done = esphome("-s", "mqtt_broker", broker, "config", "twin.yaml")
    assert done.returncode != 0
    assert "must be a host's name or address alone" in re.sub(
        r"\s+", " ", done.stdout + done.stderr
    )


def test_contactors_hang_on_no_bus(firmware: Path, esphome: RunEsphome) -> None:
    """A pin of an expander is refused: the control task cannot share the main loop's bus."""
    (firmware / "variant.yaml").write_text(
        (firmware / "station.yaml")
        .read_text()
        .replace(
            "\npackages:",
            "\n  pin_contactor_grid: {pcf8574: expander, number: 1, mode: {output: true}}\n"
            "i2c: {sda: GPIO21, scl: GPIO4}\n"
            "pcf8574: [{id: expander}]\n"
            "packages:",
        )
    )
    done = esphome("config", "variant.yaml")
    (firmware / "variant.yaml").unlink()
    assert done.returncode != 0
    assert "must be a pin of the chip itself, not of pcf8574" in re.sub(
        r"\s+", " ", done.stdout + done.stderr
    )


def test_bad_station_name_is_named(firmware: Path, esphome: RunEsphome) -> None:
    """A station name that MQTT topics cannot carry is refused."""
    done = esphome("-s", "station", "Garage 1", "config", "twin.yaml")
    assert done.returncode != 0
    assert "must be 1 to 32 of a-z, 0-9, _ and -" in done.stdout + done.stderr


VARIANTS = {
    "follows the sun": [
        (
            "  diagnostics: !include packages/diagnostics.yaml",
            "  diagnostics: !include packages/diagnostics.yaml\nsolarrally: {follow: {mode: surplus}}",
        )
    ],
    "follows nothing": [
        (
            "  diagnostics: !include packages/diagnostics.yaml",
            "  diagnostics: !include packages/diagnostics.yaml\nsolarrally: {follow: {mode: off}}",
        )
    ],
    "without the native API": [
        ("  native_api: !include packages/native_api.yaml", ""),
        ("  solar_power: !include packages/solar_power_homeassistant.yaml", ""),
    ],
    "without MQTT": [
        ("  mqtt: !include packages/mqtt.yaml", ""),
        ("  updates_over_mqtt: !include packages/updates_over_mqtt.yaml", ""),
    ],
    "with TLS": [
        (
            "  mqtt: !include packages/mqtt.yaml",
            "  mqtt: !include packages/mqtt.yaml\n  tls: !include packages/mqtt_tls.yaml",
        )
    ],
    "a switched outlet": [
        ("  control_pilot: !include packages/control_pilot.yaml", "")
    ],
    "with current clamps": [
        ("packages/metering.yaml", "packages/metering_ct_clamp.yaml"),
        ("boards/esp32-devkit.yaml", "boards/esp32-devkit-ct.yaml"),
    ],
}


@pytest.fixture
def variant(firmware: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A station that is changed as VARIANTS says: the name of its file."""
    text = (firmware / "station.yaml").read_text()
    for old, new in VARIANTS[request.param]:
        assert text.count(f"{old}\n") == 1
        text = text.replace(f"{old}\n", f"{new}\n")
    path = firmware / "variant.yaml"
    path.write_text(text)
    yield path.name
    path.unlink()


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
def test_packages_compose(esphome: RunEsphome, variant: str) -> None:
    """What an owner may leave out or exchange still makes a station."""
    done = esphome("compile", "--only-generate", variant)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variant", "own_supply"),
    [("follows nothing", "false"), ("with current clamps", "true")],
    indirect=["variant"],
)
def test_only_clamps_can_read_a_dark_line(
    esphome: RunEsphome, variant: str, own_supply: str
) -> None:
    """A PZEM's silence may be the night's; a clamp hangs on the station, and its silence is a fault."""
    done = esphome("config", variant)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"own_supply: (\w+)", done.stdout) == [own_supply]


@pytest.fixture(scope="module")
def generated(firmware: Path, esphome: RunEsphome) -> Path:
    """The ESP-IDF tree that is generated for the ESP32."""
    done = esphome("compile", "--only-generate", "station.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return firmware / ".esphome" / "build" / "solarrally"


@pytest.mark.parametrize(
    "option",
    [
        "CONFIG_ESP_TASK_WDT_INIT=y",
        "CONFIG_ESP_TASK_WDT_PANIC=y",
        "CONFIG_ESP_TASK_WDT_TIMEOUT_S=5",
        "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y",
        "CONFIG_FATFS_IMMEDIATE_FSYNC=y",
        "CONFIG_FATFS_LFN_HEAP=y",
        # An image says its version, and its server's certificate is checked.
        "CONFIG_APP_PROJECT_VER_FROM_CONFIG=y",
        'CONFIG_APP_PROJECT_VER="0.1.0"',
        "CONFIG_MBEDTLS_CERTIFICATE_BUNDLE=y",
        # What is published goes out at once; without the first the second is dropped silently.
        "CONFIG_MQTT_USE_CUSTOM_CONFIG=y",
        "CONFIG_MQTT_POLL_READ_TIMEOUT_MS=50",
    ],
)
def test_esp32_safety_option(generated: Path, option: str) -> None:
    """The watchdog panics and a bad image rolls back."""
    assert option in (generated / "sdkconfig.solarrally").read_text().splitlines()


def test_esp32_has_two_app_partitions(generated: Path) -> None:
    """There is a partition to roll back to."""
    table = (generated / "partitions.csv").read_text()
    assert re.search(r"^app0,\s*app,\s*ota_0", table, re.MULTILINE)
    assert re.search(r"^app1,\s*app,\s*ota_1", table, re.MULTILINE)


@pytest.fixture(scope="module")
def signed(firmware: Path) -> Path:
    """A station that takes only what was signed with its owner's key; the key is made for this test."""
    (firmware / "signed.yaml").write_text(
        (firmware / "station.yaml")
        .read_text()
        .replace(
            "packages:\n",
            "packages:\n  signed_updates: !include packages/signed_updates.yaml\n",
        )
    )
    subprocess.run(
        [
            ROOT / ".venv-esphome" / "bin" / "espsecure",
            *("generate-signing-key", "--version", "1"),
            firmware / "signing_key.pem",
        ],
        check=True,
        capture_output=True,
    )
    return firmware


def test_signed_updates_are_signed_and_never_older(
    signed: Path, esphome: RunEsphome
) -> None:
    """With the package the build signs by the owner's key, and each update is checked for signature and version."""
    done = esphome(
        *("-s", "name", "signed-station"), "compile", "--only-generate", "signed.yaml"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    build = signed / ".esphome" / "build" / "signed-station"
    options = (build / "sdkconfig.signed-station").read_text().splitlines()
    key = signed / "signing_key.pem"
    assert {
        "CONFIG_SECURE_SIGNED_APPS_NO_SECURE_BOOT=y",
        "CONFIG_SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT=y",
        "CONFIG_SECURE_SIGNED_APPS_ECDSA_SCHEME=y",
        "CONFIG_SECURE_BOOT_BUILD_SIGNED_BINARIES=y",
        f'CONFIG_SECURE_BOOT_SIGNING_KEY="{key.as_posix()}"',
        'CONFIG_APP_PROJECT_VER="0.1.0"',
        # Still rolled back when it does not come up healthy.
        "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y",
    } <= set(options)
    defines = (build / "src" / "esphome" / "core" / "defines.h").read_text()
    assert "#define USE_OTA_DOWNGRADE_PROTECTION" in defines
    assert "#define USE_OTA_SIGNED_VERIFICATION" in defines


def test_a_missing_signing_key_is_named(signed: Path, esphome: RunEsphome) -> None:
    """Without the key nothing is built that would be unsigned by mistake."""
    done = esphome("-s", "signing_key", "lost.pem", "config", "signed.yaml")
    assert done.returncode != 0
    assert "lost.pem" in done.stdout + done.stderr


def test_no_key_is_in_the_tree() -> None:
    """Who has the key can make images for every station that trusts it: each owner makes their own."""
    listed = subprocess.run(
        ["git", "ls-files", "*.pem", "*.key"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == ""


def test_contactors_open_for_updates(generated: Path) -> None:
    """The hook that opens the contactors when an update starts is compiled in."""
    assert (
        "#define USE_OTA_STATE_LISTENER"
        in (generated / "src" / "esphome" / "core" / "defines.h").read_text()
    )


def test_the_page_of_the_access_point_is_known(generated: Path) -> None:
    """It alone writes to flash before the station hears of it, so for it the car is not waited for."""
    main = (generated / "src" / "main.cpp").read_text()
    page = re.search(r"web_server::WebServerOTAComponent \*const (\w+)", main)
    assert page
    assert f"station->set_page_update({page[1]});" in main


def test_sun_is_not_known_while_home_assistant_is_away(generated: Path) -> None:
    """What Home Assistant said last of the sun does not hold for ever."""
    main = (generated / "src" / "main.cpp").read_text()
    assert "set_state_subscription_only" in main
    assert "ForCondition" in main
    assert "available_power->publish_state(NAN)" in main


def test_example_secrets_hold_no_secret() -> None:
    """The example names every secret and gives none."""
    example = (ROOT / "esphome" / "secrets.example.yaml").read_text()
    assert set(re.findall(r'^\w+: "(.*)"', example, re.MULTILINE)) == {""}
    used = {
        name
        for path in (ROOT / "esphome").rglob("*.yaml")
        if "secrets" not in path.name and ".esphome" not in path.parts
        for name in re.findall(r"!secret (\w+)", path.read_text())
    }
    assert used == set(re.findall(r"^(\w+):", example, re.MULTILINE))


def test_reference_page_is_up_to_date() -> None:
    """The reference page is what the schema says."""
    done = subprocess.run(
        [ROOT / ".venv-esphome" / "bin" / "python", ROOT / "esphome" / "reference.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ROOT / "docs" / "firmware-reference.md").read_text() == done.stdout


def test_esp32_builds_what_the_station_links(generated: Path) -> None:
    """The parts of ESP-IDF that MQTT and the card need are not left out."""
    cmake = (generated / "CMakeLists.txt").read_text()
    excluded = re.search(r'EXCLUDE_COMPONENTS "([^"]*)"', cmake)
    assert excluded
    needed = {
        "mqtt",
        "esp-tls",
        "esp_http_client",
        "fatfs",
        "sdmmc",
        "esp_driver_sdspi",
        "pthread",
    }
    assert needed.isdisjoint(excluded[1].split(";"))
