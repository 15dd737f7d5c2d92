"""Programs of the rig end with it, whatever happens."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.rig.process import Program, ProgramEnded, RigError

SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]
# Ends only when it is killed, and so does its child.
STUBBORN = [
    sys.executable,
    "-c",
    (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid, flush=True)\n"
        "signal.pause()\n"
    ),
]


def _gone(pid: int) -> None:
    """Wait until a process has ended: its descriptor becomes readable."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        readable, _, _ = select.select([descriptor], [], [], 10)
        assert readable, f"process {pid} lives on"
    finally:
        os.close(descriptor)


async def _first_line(file: Path) -> str:
    async with asyncio.timeout(10):
        while "\n" not in (text := file.read_text()):
            await asyncio.sleep(0.01)
    return text.splitlines()[0]


async def test_stop_ends_a_program(tmp_path: Path) -> None:
    """A program that obeys SIGTERM ends by it."""
    program = Program("sleeper", SLEEP, log=tmp_path / "log")
    await program.start()
    await program.stop()
    assert not program.running
    assert await program.wait() == -signal.SIGTERM


async def test_stop_ends_a_stubborn_program_and_its_child(tmp_path: Path) -> None:
    """What ignores SIGTERM is killed after the grace, with all it has started."""
    log = tmp_path / "log"
    program = Program("stubborn", STUBBORN, log=log)
    await program.start()
    child = int(await _first_line(log))
    await program.stop(grace_s=0.1)
    assert await program.wait() == -signal.SIGKILL
    _gone(child)


async def test_stop_before_start_does_nothing(tmp_path: Path) -> None:
    """A site that failed half-way can stop all it has."""
    await Program("never", SLEEP, log=tmp_path / "log").stop()


def test_programs_end_with_their_parent(tmp_path: Path) -> None:
    """Even when the rig itself is killed, what it started ends."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import asyncio, pathlib, sys\n"
                "from scripts.rig.process import Program\n"
                "async def main():\n"
                f"    program = Program('sleeper', {SLEEP!r}, log=pathlib.Path(sys.argv[1]))\n"
                "    await program.start()\n"
                "    print(program.pid, flush=True)\n"
                "    await program.wait()\n"
                "asyncio.run(main())\n"
            ),
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        _gone(child)


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """The message says what could not be started."""
    program = Program("the broker", ["/nowhere/broker"], log=tmp_path / "log")
    with pytest.raises(RigError, match="the broker cannot be started"):
        await program.start()


async def test_last_words_are_told(tmp_path: Path) -> None:
    """When a program ends too early, the error carries the end of its log."""
    program = Program(
        "short",
        [sys.executable, "-c", "raise SystemExit('no room')"],
        log=tmp_path / "log",
    )
    await program.start()
    with pytest.raises(
        ProgramEnded, match=r"short ended \(exit status 1\)[\s\S]*no room"
    ):
        await program.until_listening(1, within_s=10)
