"""Building the twin, and running it as a process."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".cache" / "twin"
PROGRAM = ".esphome/build/solarrally-twin/.pioenvs/solarrally-twin/program"


class BuildError(Exception):
    """The twin could not be built; the message ends with what the tools said."""


def esphome() -> Path:
    """The ESPHome command of this checkout.

    Raises:
        BuildError: it is not installed.
    """
    command = ROOT / ".venv-esphome" / "bin" / "esphome"
    if not command.exists():
        raise BuildError(f"{command} is missing: run scripts/setup")
    return command


def copy_sources(target: Path) -> None:
    """Bring the firmware's sources to ``target``, leaving files that did not change alone, so that builds are short."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for source in sorted((ROOT / "esphome").rglob("*")):
        relative = source.relative_to(ROOT / "esphome")
        if (
            relative.parts[0] in (".esphome", "bench")
            or "__pycache__" in relative.parts
            or source.is_dir()
        ):
            continue
        if relative.name == "secrets.yaml":
            continue
        wanted.add(relative)
        copy = target / relative
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    for copy in sorted(target.rglob("*")):
        relative = copy.relative_to(target)
        if (
            copy.is_file()
            and relative.parts[0] != ".esphome"
            and relative not in wanted
        ):
            copy.unlink()


def build(target: Path = BUILD) -> Path:
    """Build the twin below ``target`` and give back its program. A build that changed nothing takes seconds.

    Raises:
        BuildError: the tools failed.
    """
    command = esphome()
    target.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        copy_sources(target)
        done = subprocess.run(  # noqa: S603  the command of this checkout, with fixed arguments
            [command, "compile", "twin.yaml"],
            cwd=target,
            capture_output=True,
            text=True,
            check=False,
        )
    program = target / PROGRAM
    if done.returncode != 0 or not program.exists():
        raise BuildError(
            f"the twin did not build:\n{(done.stdout + done.stderr)[-4000:]}"
        )
    return program


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_held(pid: int) -> bool:
    """Whether a process is stopped. Linux tells; elsewhere it is taken for so."""
    try:
        return "State:\tT" in Path("/proc", str(pid), "status").read_text()
    except FileNotFoundError:
        return True


def open_files(pid: int) -> list[Path]:
    """The files that a process has open, as far as this machine tells."""
    try:
        found = list(Path("/proc", str(pid), "fd").iterdir())
    except FileNotFoundError:
        return []
    return [file.resolve() for file in found if file.exists()]


class Twin:
    """The firmware as a process. Its flash is ``home/prefs``, its output ``home/twin.log``."""

    def __init__(self, program: Path, home: Path, environment: dict[str, str]) -> None:
        self.program = program
        self.home = home
        self.api_port = free_port()
        self.ota_port = free_port()
        self.environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Switch the station on."""
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "ESPHOME_PREFDIR": str(self.home / "prefs"),
            "SOLARRALLY_API_PORT": str(self.api_port),
            "SOLARRALLY_OTA_PORT": str(self.ota_port),
            **self.environment,
        }
        with (self.home / "twin.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.program,
                env=environment,
                cwd=self.home,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The running process."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """All it has said."""
        return (self.home / "twin.log").read_text(errors="replace")

    async def cut_power(self) -> None:
        """Take the supply away: no shutdown, no last word.

        An ESP32's flash holds what was written before or after a write, never half of it. The file in its place is
        emptied and then written, so the power stays until it is whole.
        """
        with contextlib.suppress(ProcessLookupError):
            while await self._writes_flash():
                self.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(0)
            self.process.kill()
        await self.process.wait()

    async def _writes_flash(self) -> bool:
        """Hold the process, and tell whether it has the file open that stands for its flash."""
        self.process.send_signal(signal.SIGSTOP)
        while not is_held(self.process.pid):
            if self.process.returncode is not None:
                raise ProcessLookupError
            await asyncio.sleep(0)
        flash = (self.home / "prefs").resolve()
        return any(file.is_relative_to(flash) for file in open_files(self.process.pid))

    async def stop(self) -> None:
        """Ask it to end, as a wanted restart does."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            await self.cut_power()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
