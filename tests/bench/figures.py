"""What a benchmark says: figures with their goals, as a table or as JSON lines."""

import json
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

HEADINGS: Final = ("figure", "measured", "reference", "goal", "measured/goal", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity. `goal` is in the same unit; `at_most` says on which side of it the
    quantity should be. `reference` tells what was measured beside it, in words."""

    name: str
    measured: float
    unit: str
    goal: float | None = None
    at_most: bool = True
    reference: str = ""

    @property
    def verdict(self) -> str:
        """Whether the goal is reached."""
        if self.goal is None:
            return ""
        reached = self.measured <= self.goal if self.at_most else self.measured >= self.goal
        return "reached" if reached else "MISSED"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def run(measure: Callable[[], Iterable[Figure]]) -> None:
    """A benchmark's command line: a table, or one JSON object a line with `--json`."""
    figures = list(measure())
    if "--json" in sys.argv[1:]:
        for figure in figures:
            print(json.dumps(asdict(figure)))
    else:
        print(machine())
        print(table(figures))


def table(figures: Iterable[Figure]) -> str:
    """All figures, one a line."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def machine() -> str:
    """What the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text("utf-8")
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    model = models[0] if models else platform.machine()
    return (
        f"{model}, {len(models) or '?'} cores, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _row(figure: Figure) -> tuple[str, ...]:
    if figure.goal is None:
        goal = ratio = ""
    else:
        goal = f"{'≤' if figure.at_most else '≥'} {_number(figure.goal)} {figure.unit}"
        ratio = f"{figure.measured / figure.goal:.2f}"
    measured = f"{_number(figure.measured)} {figure.unit}"
    return (figure.name, measured, figure.reference, goal, ratio, figure.verdict)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
