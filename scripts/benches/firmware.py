"""What the firmware costs: one control step, its memory, and the longest step of the twin's main loop."""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "esphome"))

from bench import twin  # noqa: E402  the bench lives beside the firmware
from bench.bench import Bench  # noqa: E402

LOGIC = ROOT / "esphome" / "components" / "solarrally"
HERE = Path(__file__).resolve().parent
STEPS = 5_000


class BenchError(Exception):
    """Something cannot be measured; the message says why."""


def run(*command: str | Path) -> str:
    """Run a tool and give back all that it said. Raises BenchError when it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed:\n{said[-2000:]}")
    return said


def control_step(folder: Path) -> tuple[float, int, int]:
    """Instructions of one control step, bytes of a station's object, bytes of code and constants of the logic.

    Callgrind counts instructions, so the number is the same on each run of the same compiler. What the program does
    besides its steps falls out in the difference of two runs.
    """
    if shutil.which("valgrind") is None:
        raise BenchError("valgrind is not installed (Debian: apt-get install valgrind)")
    program = folder / "control_step"
    sources = sorted(LOGIC.glob("*_logic.cpp"))
    compiler = ["c++", "-std=c++20", "-O2", "-fno-exceptions", f"-I{LOGIC}"]
    run(*compiler, HERE / "control_step.cpp", *sources, "-o", program)

    def count(steps: int) -> int:
        said = run(
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder / 'callgrind.out'}",
            program,
            str(steps),
        )
        found = re.search(r"Collected : (\d+)", said)
        if found is None:
            raise BenchError(f"callgrind counted nothing:\n{said[-2000:]}")
        return int(found[1])

    instructions = (count(2 * STEPS) - count(STEPS)) / STEPS
    objects = folder / "logic.o"
    text = 0
    for source in sources:
        run(*compiler, "-Os", "-c", source, "-o", objects)
        text += int(run("size", objects).splitlines()[1].split()[0])
    return instructions, int(run(program, "0")), text


async def longest_loop(seconds: float) -> int:
    """The longest time between two turns of the twin's main loop while it charges, ms, in so many seconds."""
    from aioesphomeapi.client import APIClient  # noqa: PLC0415  slow to load

    program = await asyncio.to_thread(twin.build)
    with tempfile.TemporaryDirectory(prefix="bench-twin-") as home:
        async with Bench() as bench:
            environment = {**bench.environment, "SOLARRALLY_MODE": "auto"}
            async with twin.Twin(program, Path(home), environment) as station:
                bench.car.plugged = True
                await bench.until(lambda: bench.car.current_a > 0, 60)
                client = APIClient("127.0.0.1", station.api_port, None)
                await client.connect(login=True)
                entities, _ = await client.list_entities_services()
                key = next(it.key for it in entities if it.name == "Longest loop")
                longest: list[float] = []
                client.subscribe_states(
                    lambda state: (
                        longest.append(getattr(state, "state", 0.0))
                        if state.key == key
                        else None
                    )
                )
                await asyncio.sleep(seconds)
                await client.disconnect()
    # The first value counts the start, too.
    if len(longest) < 2:
        raise BenchError("the twin did not say how long its loop took")
    return round(max(longest[1:]))


def main() -> int:
    """Measure and print; 1 when something cannot be measured."""
    parser = argparse.ArgumentParser(prog="scripts/bench firmware", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=35.0, help="how long the twin is watched"
    )
    options = parser.parse_args()
    if options.seconds < 25:
        parser.error(f"--seconds {options.seconds:g} is less than 25")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-firmware-") as folder:
            instructions, size, text = control_step(Path(folder))
        longest_ms = asyncio.run(longest_loop(options.seconds))
    except (BenchError, twin.BuildError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"one control step     {instructions:8.0f} instructions (callgrind, -O2)")
    print(f"a station's object   {size:8} bytes, its whole static memory")
    print(f"the logic's code     {text:8} bytes (-Os, this machine)")
    print(f"longest loop (twin)  {longest_ms:8} ms, its pause of 16 ms included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
