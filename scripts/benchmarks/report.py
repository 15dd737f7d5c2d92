"""What was measured: figures beside limits of the same run, as a table and as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
_BEGIN = "<!-- {name}: written by scripts/bench -->"
_END = "<!-- end of {name} -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured: the median of its runs, with all of them beside it.

    ``limit`` names a figure of the same run; the ratio to it says more than the value, for
    machines differ and are seldom alone with one program.
    """

    name: str
    runs: tuple[float, ...]
    unit: str
    limit: str | None = None
    aim: str = ""

    @property
    def value(self) -> float:
        """The median."""
        ordered = sorted(self.runs)
        middle = len(ordered) // 2
        if len(ordered) % 2:
            return ordered[middle]
        return (ordered[middle - 1] + ordered[middle]) / 2


@dataclass(slots=True)
class Report:
    """One benchmark's figures and how they were come by."""

    name: str
    how: str
    figures: list[Figure] = field(default_factory=list)
    at: str = field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="minutes")
    )
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(
        self,
        name: str,
        *runs: float,
        unit: str,
        limit: str | None = None,
        aim: str = "",
    ) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, runs, unit, limit, aim))

    def ratio(self, figure: Figure) -> float | None:
        """Return a figure as a share of its limit."""
        of = next((each for each in self.figures if each.name == figure.limit), None)
        return figure.value / of.value if of is not None and of.value else None

    def table(self) -> str:
        """Return a Markdown table."""
        lines = [
            f"| {self.name} | median | lowest – highest | of the limit | aim |",
            "|---|--:|--:|--:|---|",
        ]
        for each in self.figures:
            ratio = self.ratio(each)
            share = f"{ratio:.0%} of {each.limit}" if ratio is not None else ""
            spread = f"{_number(min(each.runs))} – {_number(max(each.runs))}"
            lines.append(
                f"| {each.name} | {_number(each.value)} {each.unit} | {spread} | {share} "
                f"| {each.aim} |"
            )
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """Return everything, with the medians and ratios."""
        figures = [
            asdict(each) | {"value": each.value, "ratio": self.ratio(each)}
            for each in self.figures
        ]
        machine = f"{platform.machine()}, {os.cpu_count()} cores"
        return asdict(self) | {"figures": figures, "machine": machine}


def write_json(reports: list[Report], file: Path) -> None:
    """Write all of it to a file."""
    file.write_text(
        json.dumps([report.as_json() for report in reports], indent=2) + "\n"
    )


def write_docs(reports: list[Report]) -> None:
    """Replace each benchmark's part of docs/benchmarks.md; the others' stay."""
    text = DOCS.read_text("utf-8")
    for report in reports:
        begin, end = _BEGIN.format(name=report.name), _END.format(name=report.name)
        machine = report.as_json()["machine"]
        made = (
            f"{begin}\n\n{report.how}\n\n{report.table()}\n\n"
            f"Measured {report.at} on {machine}; load average before: {report.load_before:.1f}.\n\n{end}"
        )
        if begin in text:
            head, _, rest = text.partition(begin)
            text = head + made + rest.partition(end)[2]
        else:
            text = f"{text.rstrip()}\n\n## {report.name.capitalize()}\n\n{made}\n"
    DOCS.write_text(text, "utf-8")


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
