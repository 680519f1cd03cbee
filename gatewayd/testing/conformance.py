"""What holds for every protocol, tested on all that are registered (design.md §7).

A protocol is one folder: golden vectors are looked for in `vectors/*.jsonl` and traces in
`traces/` of the package that its entry point names. Its conformance module answers the vectors
(`run`) and, where the family has a virtual peripheral, says how to rehearse with it (`rehearsal`).
"""

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from gatewayd import plugins
from gatewayd.plugins import PluginRecord
from gatewayd.testing.options import CONFORMANCE_MARK, UPDATE
from gatewayd.testing.traces import TraceCase, is_trace
from protocols.model.catalog import KINDS, kind_of
from protocols.model.readings import Reading
from protocols.session import LinkFacts, SessionSettings
from protocols.spec import ENTRY_POINTS, ProtocolSpec
from protocols.testing import rehearsal as rehearse
from protocols.testing.cases import VectorCase, vector_cases
from protocols.testing.noise import OutOfBounds, disturb, overhear, scrub
from protocols.testing.rehearsal import Rehearsal, Spoilt
from protocols.testing.vectors import BadVectors

SEEDS: Final = range(8)
ENOUGH: Final = 250
CONNECTIONS: Final = 20
"""How much noise a session has to hear per seed, and how often it may hang up until it did."""

BARE: Final = LinkFacts("C0:FF:EE:00:00:01", None, 20)
"""A link of which only the services are known."""

Check = Callable[[], None]


class Protocols(pytest.Collector):
    """All protocols that are installed, in order of name."""

    def collect(self) -> Iterator[pytest.Collector]:
        """A collector for each."""
        for record in plugins.discover():
            yield _Protocol.from_parent(self, name=record.name, record=record)


class _Protocol(pytest.Collector):
    """What has to hold for one protocol."""

    def __init__(self, *, record: PluginRecord, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._record = record
        self.add_marker(CONFORMANCE_MARK)

    def collect(self) -> Iterator[pytest.Item]:
        update = bool(self.config.getoption(UPDATE, default=False))
        for name, check in _checks(self._record, update=update):
            yield _Check.from_parent(self, name=name, check=check)


class _Check(pytest.Item):
    """One thing that has to hold."""

    def __init__(self, *, check: Check, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._check = check

    def runtest(self) -> None:
        self._check()

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        error = excinfo.value
        if isinstance(error, OutOfBounds | Spoilt):
            return str(error)
        if isinstance(error, pytest.fail.Exception):
            return error.msg or ""
        # in the protocol, most likely: its own frames are of use, the runner's are not
        frames = excinfo.getrepr(
            style="short", tbfilter=lambda info: info.traceback.cut(path=Path(__file__))
        )
        return f"{type(error).__name__}: {error}\n\n{frames}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.nodeid


def _checks(record: PluginRecord, *, update: bool) -> Iterator[tuple[str, Check]]:
    spec = record.spec
    if spec is None:
        yield (
            "can be used",
            lambda: pytest.fail(
                f"{record.name} of {record.origin}: {record.reason}", pytrace=False
            ),
        )
        return
    family = _Family(spec)
    yield "can be used", family.describes_itself
    yield from family.vectors()
    yield from family.traces(update=update)
    for seed in SEEDS:
        yield f"a session bears noise[{seed}]", family.bound(family.session_bears_noise, seed)
    for seed in SEEDS:
        yield f"an observer bears noise[{seed}]", family.bound(family.observer_bears_noise, seed)
    for seed in SEEDS:
        yield f"a scrubber bears noise[{seed}]", family.bound(family.scrubber_bears_noise, seed)
    yield "any split yields the same", family.any_split
    yield "nothing is erased before confirm", family.nothing_erased_early
    for seed in SEEDS:
        yield f"any order yields the same[{seed}]", family.bound(family.any_order, seed)
        yield f"nothing is lost with the link[{seed}]", family.bound(family.nothing_lost, seed)
        yield f"damage stays in bounds[{seed}]", family.bound(family.damage, seed)
    yield "every kind is in the catalogue", family.kinds_are_known


class _Family:
    """A protocol and what lies in its folder."""

    def __init__(self, spec: ProtocolSpec) -> None:
        self._spec = spec
        self._home = _home(spec.name)
        # worked out once, whichever check comes first
        self._rehearsal = cache(self._find_rehearsal)
        self._characteristics = cache(self._find_characteristics)

    @staticmethod
    def bound(check: Callable[[int], None], seed: int) -> Check:
        """The check for one seed."""
        return lambda: check(seed)

    # --- from its folder ----------------------------------------------------------------------

    def vectors(self) -> Iterator[tuple[str, Check]]:
        """A check per vector."""
        for path in sorted(self._home.glob("vectors/*.jsonl")):
            try:
                cases = vector_cases([path], self._spec.conformance)
            except (BadVectors, OSError) as error:
                yield f"vectors/{path.name}", _failing(str(error))
                continue
            for case in cases:
                yield f"vectors/{path.stem}/{case.vector.name}", _answered(case)

    def traces(self, *, update: bool) -> Iterator[tuple[str, Check]]:
        """A check per trace."""
        for path in self._traces():
            yield f"traces/{path.name}", TraceCase(path, update=update).check

    # --- for any protocol ---------------------------------------------------------------------

    def describes_itself(self) -> None:
        """Its declaration says what the gateway needs to know."""
        spec = self._spec
        if not spec.title.strip():
            pytest.fail("its title is empty", pytrace=False)
        odd = [uuid for uuid in spec.services if uuid != uuid.lower() or len(uuid) != 36]
        if odd:
            pytest.fail(f"services are lower-case 128-bit UUIDs, not {odd}", pytrace=False)

    def session_bears_noise(self, seed: int) -> None:
        """Whatever arrives."""
        facts, settings = self._stage()
        heard = 0
        for connection in range(CONNECTIONS):
            if heard >= ENOUGH:
                break
            session = self._spec.open_session(settings)
            heard += disturb(session, facts, seed * CONNECTIONS + connection).heard
        if not heard:
            pytest.skip(
                "it listens to nothing on a link of which only the services are known; its"
                " conformance module has no `rehearsal` that tells more"
            )

    def observer_bears_noise(self, seed: int) -> None:
        """Whatever it overhears."""
        observe = self._spec.observe
        if observe is None:
            pytest.skip("it cannot read along with a trace (no `observe`)")
        if not overhear(observe(), self._known_characteristics(), seed).heard:
            pytest.fail("it takes no value of its own characteristics", pytrace=False)

    def scrubber_bears_noise(self, seed: int) -> None:
        """Whatever it has to clean."""
        make = self._spec.scrub
        if make is None:
            pytest.skip("it cannot scrub a trace (no `scrub`)")
        if not scrub(make, self._known_characteristics(), seed):
            pytest.fail("it takes no value of its own characteristics", pytrace=False)

    def kinds_are_known(self) -> None:
        """Every reading that its traces, its rehearsal or mere noise yield has a row."""
        facts, settings = self._stage()
        readings: list[Reading] = []
        for path in self._traces():
            readings += TraceCase(path).readings
        for seed in SEEDS:
            readings += disturb(self._spec.open_session(settings), facts, seed).readings
        known = self._rehearsal()
        if known is not None:
            readings += rehearse.fetched(self._spec.open_session, known)
        if not readings:
            pytest.skip("it has shown no reading: it has no traces and no `rehearsal`")
        types = {kind.type for kind in KINDS}
        strange = {type(item).__name__ for item in readings if type(item) not in types}
        if strange:
            pytest.fail(f"not in protocols.model.catalog: {', '.join(sorted(strange))}")
        for reading in readings:
            kind_of(reading).starts(reading)

    # --- with a virtual peripheral ------------------------------------------------------------

    def any_split(self) -> None:
        """However the link cuts what is sent."""
        rehearse.any_split_yields_the_same(self._spec.open_session, self._needed())

    def nothing_erased_early(self) -> None:
        """Not before it is durable."""
        rehearse.nothing_is_erased_before_confirm(self._spec.open_session, self._needed())

    def any_order(self, seed: int) -> None:
        """Whatever overtakes what."""
        rehearse.any_order_yields_the_same(self._spec.open_session, self._needed(), seed)

    def nothing_lost(self, seed: int) -> None:
        """However often the link breaks."""
        rehearse.nothing_is_lost_with_the_link(self._spec.open_session, self._needed(), seed)

    def damage(self, seed: int) -> None:
        """Whatever becomes of what is sent."""
        rehearse.damage_stays_in_bounds(self._spec.open_session, self._needed(), seed)

    # --- inside -------------------------------------------------------------------------------

    def _traces(self) -> list[Path]:
        return [path for path in sorted(self._home.glob("traces/*")) if is_trace(path)]

    def _find_rehearsal(self) -> Rehearsal | None:
        if self._spec.conformance is None:
            return None
        make = getattr(import_module(self._spec.conformance), "rehearsal", None)
        if make is None:
            return None
        found = make()
        if not isinstance(found, Rehearsal):
            pytest.fail(f"{self._spec.conformance}.rehearsal() gives no Rehearsal", pytrace=False)
        return found

    def _needed(self) -> Rehearsal:
        found = self._rehearsal()
        if found is None:
            pytest.skip(
                "its conformance module has no function `rehearsal`"
                " (protocols.testing.rehearsal.Rehearsal)"
            )
        return found

    def _stage(self) -> tuple[LinkFacts, SessionSettings]:
        found = self._rehearsal()
        if found is not None:
            return found.facts, found.settings
        facts = LinkFacts(BARE.address, None, BARE.write_size, self._spec.services)
        return facts, SessionSettings("conformance@example.org")

    def _known_characteristics(self) -> tuple[str, ...]:
        found = self._characteristics()
        if not found:
            pytest.skip("which characteristics it uses is not known without a `rehearsal`")
        return found

    def _find_characteristics(self) -> tuple[str, ...]:
        facts, settings = self._stage()
        listening = disturb(self._spec.open_session(settings), facts, 0).characteristics
        return tuple(sorted(listening | facts.characteristics.keys()))


def _home(name: str) -> Path:
    """The folder of the package that an entry point names."""
    point = next(point for point in entry_points(group=ENTRY_POINTS) if point.name == name)
    found = find_spec(point.module)
    if found is None or found.origin is None:
        raise pytest.UsageError(f"{point.module} is in no folder")
    return Path(found.origin).parent


def _answered(case: VectorCase) -> Check:
    if case.adapter is None:
        return _failing("it has golden vectors, but its spec names no `conformance` module")
    return case.check


def _failing(reason: str) -> Check:
    return lambda: pytest.fail(reason, pytrace=False)
