"""Sum up what pytest wrote: a line for each project, the slowest tests, and the total.

usage: test_summary.py FOLDER PROJECT…
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = 5


def main() -> None:
    """Print the summary of FOLDER/PROJECT.xml for each project."""
    folder, projects = Path(sys.argv[1]), sys.argv[2:]
    total = dict.fromkeys(("passed", "failed", "skipped"), 0)
    slow: list[tuple[float, str]] = []
    print("\n== summary")
    for project in projects:
        file = folder / f"{project}.xml"
        if not file.exists():
            print(f"{project:<12} did not run")
            continue
        # Written by pytest a moment ago.
        suite = ET.parse(file).getroot()[0]  # noqa: S314
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        passed = int(suite.get("tests", 0)) - failed - skipped
        seconds = float(suite.get("time", 0))
        print(
            f"{project:<12} {passed:5} passed {failed:4} failed {skipped:4} skipped"
            f" {seconds:7.1f} s"
        )
        total["passed"] += passed
        total["failed"] += failed
        total["skipped"] += skipped
        slow += [
            (float(it.get("time", 0)), f"{it.get('classname')}.{it.get('name')}")
            for it in suite.iter("testcase")
        ]
    for seconds, name in sorted(slow, reverse=True)[:SLOWEST]:
        print(f"{seconds:7.1f} s  {name}")
    print("total: {passed} passed, {failed} failed, {skipped} skipped".format(**total))


if __name__ == "__main__":
    main()
