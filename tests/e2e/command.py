"""``scripts/demo`` as a person runs it: started, read, interrupted."""

import os
import re
import secrets
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
_MARK = "TEST_RUN_OF_SOLARRALLY"


class DemoCommand:
    """A running ``scripts/demo``; `text` is what it has said so far."""

    def __init__(self, arguments: Sequence[str]) -> None:
        # Inherited by whatever it starts: so its processes are known without guessing.
        self._mark = f"{_MARK}={secrets.token_hex(8)}".encode()
        name, _, value = self._mark.decode().partition("=")
        self._process = subprocess.Popen(
            [str(ROOT / "scripts" / "demo"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, name: value},
            start_new_session=True,
        )
        self.text = ""
        self._news = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.interrupt()
        try:
            self.finish(within_s=120)
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.text += line
                self._news.notify_all()
        self._process.stdout.close()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def said(self, pattern: str, within_s: float = 600) -> re.Match[str]:
        """Wait until the pattern stands in what it says; return the match."""
        with self._news:
            self._news.wait_for(
                lambda: self._closed or re.search(pattern, self.text), within_s
            )
            match = re.search(pattern, self.text)
        assert match is not None, f"{pattern!r} was not said in:\n{self.text}"
        return match

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal signals the whole foreground process group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def finish(self, within_s: float) -> int:
        """Wait for its end; return its exit status."""
        status = self._process.wait(within_s)
        self._reader.join()
        return status

    def processes(self) -> list[int]:
        """Return the ids of all its processes that live."""
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and self._started(folder)
        ]

    def _started(self, folder: Path) -> bool:
        try:
            return self._mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False
