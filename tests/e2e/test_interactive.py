"""`scripts/demo` with a person: addresses and sign-ins, a browser, Ctrl-C."""

import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scripts.rig.ports import HOST, is_free
from tests.e2e.command import ROOT, DemoCommand

PICTURES = ROOT / ".test-output"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# The browser speaks to this machine alone.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@dataclass(frozen=True)
class Running:
    """The running demo and what it has told of itself."""

    command: DemoCommand
    taken_port: int
    hass_port: int
    url: str
    user: str
    password: str
    device_page: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A demo that found Home Assistant's usual port taken."""
    out = tmp_path_factory.mktemp("demo")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(8123):
            squatter.bind((HOST, 8123))
            squatter.listen()
        with DemoCommand(["--out", str(out)]) as command:
            hass = command.said(
                r"Home Assistant +(http://127\.0\.0\.1:(\d+))\n"
                r" +sign in as +(\S+)\n +password +(\S+)\n"
                r" +Garage +(\S+)\n"
            )
            yield Running(
                command=command,
                taken_port=8123,
                hass_port=int(hass[2]),
                url=hass[1],
                user=hass[3],
                password=hass[4],
                device_page=hass[5],
            )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        yield chromium
        chromium.close()


def _sign_in(page: Page, demo: Running) -> None:
    """Fill the sign-in form with what the demo has printed."""
    page.goto(demo.url)
    page.locator("input[name=username]").fill(demo.user)
    page.locator("input[name=password]").fill(demo.password)
    page.keyboard.press("Enter")
    page.locator("home-assistant-main").wait_for()


def test_a_taken_port_is_avoided_and_said(demo: Running) -> None:
    """Home Assistant uses the next port, and a person is told why."""
    assert demo.hass_port > demo.taken_port
    demo.command.said(
        f"Port {demo.taken_port} is taken; Home Assistant uses {demo.hass_port}"
    )


@pytest.mark.parametrize(("name", "viewport"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_the_device_page_shows_the_station(
    demo: Running, browser: Browser, name: str, viewport: dict[str, int]
) -> None:
    """Signed in with what was printed, the owner sees the station and its live power."""
    context = browser.new_context(
        viewport={"width": viewport["width"], "height": viewport["height"]}
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    try:
        _sign_in(page, demo)
        page.goto(demo.device_page)
        expect(page.get_by_text("Garage").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("SR-32").first).to_be_visible()
        # A vehicle charges: some kilowatts, not zero.
        rows = page.locator("hui-sensor-entity-row").filter(has_text="Power")
        power = rows.filter(has_text=re.compile(r"\b[1-9][\d.,]*\s*W\b"))
        expect(power.first).to_be_visible(timeout=60_000)
    finally:
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"device-{name}.png", full_page=True)
        context.close()


def test_the_driver_follows_the_session_while_it_runs(demo: Running) -> None:
    """Signed in with what was printed, they see their own energy grow."""
    said = demo.command.said(
        r"Billing service +(http://\S+)\n(?:.*\n){2} +driver +(\S+)\n +password +(\S+)\n"
    )
    with httpx.Client(base_url=said[1], trust_env=False) as client:
        form = {"username": said[2], "password": said[3]}
        token = client.post("/auth/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        deadline = time.monotonic() + 60
        sessions: list[dict[str, str]] = []
        while not sessions and time.monotonic() < deadline:
            sessions = client.get("/sessions/").json()["items"]
            time.sleep(0.2)
        assert [session["station_id"] for session in sessions] == ["garage"]


def test_ctrl_c_ends_everything(demo: Running) -> None:
    """After Ctrl-C no process of it is left, and its ports are free again."""
    demo.command.interrupt()
    assert demo.command.finish(within_s=60) == 0, demo.command.text
    assert demo.command.processes() == []
    assert is_free(demo.hass_port)
    assert "Everything has ended." in demo.command.text
