"""What the fixtures of `protocols.testing.plugin` hand to a test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from protocols.model.time import Moment, from_datetime
from protocols.session import LinkFacts, Property, Session
from protocols.testing.conformance import Run, answer
from protocols.testing.duet import Action, Duet, Peripheral, in_order
from protocols.testing.vectors import BadVectors, Failed, Passed, Unsupported, Vector, load
from protocols.testing.virtual_watch import VirtualWatch

WRITE_SIZE: Final = 244
"""What a write takes at the ATT_MTU that most phones and watches agree on (247)."""

_START_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class VectorCase:
    """A golden vector and who answers it: the module `adapter`, whose `run` takes the vector."""

    vector: Vector
    path: Path
    adapter: str | None = None

    def check(self, run: Run | None = None) -> None:
        """Passes, skips what is unsupported, or fails and tells what differed. `run` answers
        instead of the adapter. An answer that raises has failed."""
        outcome = answer(self._run() if run is None else run, self.vector)
        match outcome:
            case Failed(difference):
                where = f"{self.path}:{self.vector.line} {self.vector.name}"
                note = "" if self.vector.note is None else f"\n  note: {self.vector.note}"
                pytest.fail(f"{where}\n  {difference}{note}", pytrace=False)
            case Unsupported(reason):
                pytest.skip(f"unsupported: {reason}")
            case Passed():
                return

    def _run(self) -> Run:
        if self.adapter is None:
            pytest.fail(
                'who answers? Say @pytest.mark.vectors(…, adapter="package.module") or set'
                " protocol_vectors_adapter",
                pytrace=False,
            )
        try:
            run: Run = import_module(self.adapter).run
        except (ImportError, AttributeError) as error:
            pytest.fail(f"{self.adapter} cannot answer vectors: {error}", pytrace=False)
        return run


def vector_cases(paths: Sequence[Path], adapter: str | None) -> list[VectorCase]:
    """All vectors of some files. Raises BadVectors, which names the file, and OSError."""
    cases = []
    for path in paths:
        try:
            vectors = load(path)
        except BadVectors as error:
            raise BadVectors(f"{path}: {error}") from error
        cases += [VectorCase(vector, path, adapter) for vector in vectors]
    return cases


class Duets:
    """Makes duets whose time begins at `now`, and keeps them for the check at the test's end."""

    def __init__(self, watch: Callable[[], VirtualWatch], now: datetime) -> None:
        self._watch = watch
        self._start = Moment(_START_S, from_datetime(now))
        self._made: list[Duet] = []

    def __call__(
        self,
        session: Session,
        peripheral: Peripheral | None = None,
        facts: LinkFacts | None = None,
        *,
        start: Moment | None = None,
        choose: Callable[[Sequence[Action]], Action] = in_order,
        auto_confirm: bool = True,
    ) -> Duet:
        """A session against a peripheral with the facts of its link, or else against the fixture
        `virtual_watch`. The other arguments are those of `protocols.testing.duet.Duet`."""
        if peripheral is None:
            peripheral = watch = self._watch()
            facts = facts or facts_of(watch)
        elif facts is None:
            raise TypeError("a duet with a peripheral of yours needs the facts of its link")
        duet = Duet(
            session,
            peripheral,
            facts,
            start=start or self._start,
            choose=choose,
            auto_confirm=auto_confirm,
        )
        self._made.append(duet)
        return duet

    def finish(self) -> None:
        """Raises AssertionError when a peripheral was told to forget what was not durable."""
        early = [erasure for duet in self._made for erasure in duet.early_erasures]
        if early:
            told = ", ".join(f"{item.size} bytes of kind {item.kind}" for item in early)
            raise AssertionError(f"told to forget before it was durable: {told}")


def facts_of(watch: VirtualWatch, *, write_size: int = WRITE_SIZE) -> LinkFacts:
    """What a radio would know of a link to this watch."""
    characteristics = [item for service in watch.services for item in service.characteristics]
    return LinkFacts(
        address=watch.advertisement.address,
        name=watch.advertisement.name,
        write_size=write_size,
        services=frozenset(service.uuid for service in watch.services),
        characteristics=MappingProxyType(
            {item.uuid: _allowed(item.properties) for item in characteristics}
        ),
    )


def _allowed(names: frozenset[str]) -> Property:
    allowed = Property.NONE
    for name in names:
        allowed |= Property[name.upper().replace("-", "_")]
    return allowed
