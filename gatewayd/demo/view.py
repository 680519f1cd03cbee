"""What the demo shows: plain lines, and a progress bar where there is a terminal."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from gatewayd.core.ports import Tally

_BAR: Final = 32
_HEAD: Final = ("kind", "count", "first (UTC)", "last (UTC)", "delivered")


class View:
    """Writes to one stream. Progress is one rewritten line on a terminal, else one per tenth."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._terminal = self._stream.isatty()
        self._shown = -1
        self._bar_open = False

    def line(self, text: str = "") -> None:
        """One line, below the progress bar if there is one."""
        if self._bar_open:
            self._stream.write("\n")
            self._bar_open = False
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def progress(self, done: int, total: int) -> None:
        """How much of the history has been transferred, in bytes."""
        share = min(1.0, done / total) if total else 1.0
        tenth = int(share * 10)
        full = round(share * _BAR)
        bar = "█" * full + "░" * (_BAR - full)
        text = f"  {bar} {share:4.0%}  {done:,} of {total:,} bytes"
        if self._terminal:
            self._stream.write(f"\r{text}")
            self._stream.flush()
            self._bar_open = True
        elif tenth != self._shown:
            self._shown = tenth
            self.line(text)

    def table(self, tallies: Iterable[Tally]) -> None:
        """The final table: what is stored, and how much of it the broker took over."""
        rows = [
            (
                tally.kind,
                f"{tally.count:,}",
                _time(tally.first_utc_s),
                _time(tally.last_utc_s),
                f"{tally.count - tally.waiting:,}",
            )
            for tally in tallies
        ]
        widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
        self.line(_row(_HEAD, widths))
        self.line("  ".join("─" * width for width in widths))
        for row in rows:
            self.line(_row(row, widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    kind, count, first, last, delivered = cells
    return "  ".join(
        (
            kind.ljust(widths[0]),
            count.rjust(widths[1]),
            first.ljust(widths[2]),
            last.ljust(widths[3]),
            delivered.rjust(widths[4]),
        )
    )


def _time(utc_s: int) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d %H:%M")
