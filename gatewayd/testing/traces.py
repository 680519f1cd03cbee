"""A captured trace and its golden result, which lies beside it.

`watch.btsnoop` has `watch.golden.jsonl`: what `TZ=UTC gatewayd replay --format json` prints for it,
line by line, and one more line with the reason when the trace is damaged. Where a capture begins
after the discovery, `watch.handles` holds the table that `gatewayd replay --map` takes.
"""

import json
from datetime import UTC
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from gatewayd import plugins
from gatewayd.core.timeline import Timeline
from gatewayd.errors import GatewayError
from gatewayd.trace.errors import TraceError
from gatewayd.trace.gatt import Database
from gatewayd.trace.handles import parse_table
from gatewayd.trace.outcome import EventSeen, Outcome, ReadingSeen
from gatewayd.trace.replay import Replay, ReplayOptions
from gatewayd.trace.report import Report
from protocols.model.events import Event
from protocols.model.readings import Reading
from protocols.testing.vectors import difference

GOLDEN_SUFFIX: Final = ".golden.jsonl"
_LINES_SUFFIX: Final = ".gatt.jsonl"
_TABLE_SUFFIX: Final = ".handles"
_BESIDE: Final = (GOLDEN_SUFFIX, _TABLE_SUFFIX, ".md", ".txt")

_T = TypeVar("_T")


class TraceCase:
    """One trace, replayed once when it is first looked at.

    `protocol` decodes with that protocol whatever services the trace shows; `zone` is where it was
    captured (UTC unless told otherwise), for what a device leaves undated.
    """

    def __init__(
        self,
        path: Path,
        *,
        protocol: str | None = None,
        zone: str | None = None,
        update: bool = False,
    ) -> None:
        self.path = path
        self.golden = _beside(path, GOLDEN_SUFFIX)
        self._protocol = protocol
        self._zone = zone
        self._update = update

    def fresh(self) -> "TraceCase":
        """The same, not yet replayed: what a test looked at is not kept after it."""
        return TraceCase(self.path, protocol=self._protocol, zone=self._zone, update=self._update)

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Everything that the replay tells, in order, without the ATT PDUs."""
        return self._replayed[0]

    @property
    def fault(self) -> str | None:
        """Why the trace could not be read to its end, or None."""
        return self._replayed[1]

    @property
    def readings(self) -> list[Reading]:
        """The decoded readings in order."""
        return [seen.reading for seen in self.outcomes if isinstance(seen, ReadingSeen)]

    @property
    def events(self) -> list[Event]:
        """The decoded events in order."""
        return [seen.event for seen in self.outcomes if isinstance(seen, EventSeen)]

    def of(self, kind: type[_T]) -> list[_T]:
        """The readings and events of one type: `trace.of(HeartRate)`."""
        told = (
            seen.reading if isinstance(seen, ReadingSeen) else seen.event
            for seen in self.outcomes
            if isinstance(seen, ReadingSeen | EventSeen)
        )
        return [item for item in told if isinstance(item, kind)]

    def check(self) -> None:
        """Passes when the trace replays to its golden result, fails and says where it differs.

        With `--update-golden` a different or missing result is written instead, and the test
        skipped, since it has checked nothing.
        """
        lines = self.lines()
        try:
            golden = self.golden.read_text("utf-8").split("\n")[:-1]
        except FileNotFoundError:
            golden = None
        if golden == lines:
            return
        if self._update:
            text = "".join(f"{line}\n" for line in lines)
            self.golden.write_text(text, "utf-8", newline="\n")
            pytest.skip(f"wrote {self.golden} ({len(lines)} lines): read it before you commit it")
        if golden is None:
            pytest.fail(
                f"{self.golden} is missing. Run pytest --update-golden, and read what it wrote",
                pytrace=False,
            )
        found = _first_difference(golden, lines)
        if found is not None:
            pytest.fail(
                f"{self.path} does not replay to {self.golden.name}\n  {found}\n"
                "  If that is right, run pytest --update-golden",
                pytrace=False,
            )

    def lines(self) -> list[str]:
        """What belongs into the golden file."""
        report = Report(full=False)
        lines = [report.json(outcome) for outcome in self.outcomes]
        if self.fault is not None:
            lines.append(json.dumps({"type": "fault", "reason": self.fault}))
        return lines

    @cached_property
    def _replayed(self) -> tuple[tuple[Outcome, ...], str | None]:
        outcomes: list[Outcome] = []
        try:
            replay = Replay(self._options())
        except (GatewayError, OSError, ZoneInfoNotFoundError) as error:
            pytest.fail(f"{self.path}: {error}", pytrace=False)
        try:
            with self.path.open("rb") as stream:
                outcomes.extend(replay.run(stream))
        except TraceError as error:
            # extend() has taken what was readable
            return tuple(outcomes), error.summary
        except (GatewayError, OSError) as error:
            pytest.fail(f"{self.path}: {error}", pytrace=False)
        return tuple(outcomes), None

    def _options(self) -> ReplayOptions:
        records = plugins.discover()
        name = self._protocol
        specs = plugins.ready(records) if name is None else (plugins.find(name, records),)
        path = _beside(self.path, _TABLE_SUFFIX)
        table = parse_table(path.read_text("utf-8").splitlines()) if path.exists() else Database()
        return ReplayOptions(
            specs=specs,
            forced=name is not None,
            table=table,
            timeline=Timeline(UTC if self._zone is None else ZoneInfo(self._zone)),
        )


def is_trace(path: Path) -> bool:
    """Whether a file in a folder of traces is one, and not what lies beside it."""
    return path.is_file() and not path.name.startswith(".") and not path.name.endswith(_BESIDE)


def _beside(path: Path, suffix: str) -> Path:
    stem = path.name.removesuffix(_LINES_SUFFIX)
    return path.with_name((path.stem if stem == path.name else stem) + suffix)


def _first_difference(golden: list[str], lines: list[str]) -> str | None:
    for number, (expected, actual) in enumerate(zip_longest(golden, lines), 1):
        if expected == actual:
            continue
        if expected is None:
            return f"line {number} is new: {actual}"
        if actual is None:
            return f"line {number} is missing: {expected}"
        try:
            row = json.loads(expected)
        except ValueError:
            return f"line {number} is no JSON: {expected}"
        found = difference(row, json.loads(actual), "")
        if found is not None:
            return f"line {number} {found}\n  expected {expected}\n  got      {actual}"
    return None
