"""Programs that the rig starts, watches and ends."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)
_LAST_WORDS = 15


class RigError(Exception):
    """Something of the site did not work. The message is for a person, and says what to do."""


class ProgramEnded(RigError):
    """A program ended that should be running."""


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Program:
    """One started program.

    It has a process group of its own: Ctrl-C in the terminal reaches only the rig, which then
    ends its programs in their order. What it says goes to a log file.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._cwd = cwd
        self.env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it. Raises RigError when there is no such program."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._cwd,
                    env=self.env,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
            except OSError as error:
                raise RigError(f"{self.name} cannot be started: {error}") from error

    async def wait(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def finish(self) -> None:
        """Wait until it ends by itself. Raises ProgramEnded unless it ends well."""
        if await self.wait() != 0:
            raise self.ended()

    async def stop(self, grace_s: float = 20.0) -> None:
        """Ask it to end; end it and its children if it does not within `grace_s`."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_s)
        # The group outlives its leader as long as a child of it runs.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def ended(self) -> ProgramEnded:
        """Return the error to raise about its end, with its last words."""
        status = self._process.returncode if self._process else None
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
        except OSError:
            lines = []
        words = "".join(f"\n    {line}" for line in lines)
        return ProgramEnded(
            f"{self.name} ended (exit status {status}); its last words:{words}"
        )

    async def until_listening(self, port: int, within_s: float) -> None:
        """Wait until it accepts connections on 127.0.0.1:`port`.

        Raises ProgramEnded when it ends first, RigError when it takes longer than `within_s`.
        """
        try:
            async with asyncio.timeout(within_s):
                while self.running:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        await asyncio.sleep(0.05)
                    else:
                        writer.close()
                        with contextlib.suppress(OSError):
                            await writer.wait_closed()
                        return
        except TimeoutError:
            raise RigError(
                f"{self.name} did not listen on port {port} within {within_s:.0f} s; "
                f"its log is {self.log}"
            ) from None
        raise self.ended()
