"""Traces in, outcomes out, for the tests beside this file."""

import io
from collections.abc import Sequence
from typing import Any, TypeVar

from gatewayd.trace.errors import TraceError
from gatewayd.trace.outcome import AnomalySeen, AttSeen, Outcome, Summary
from gatewayd.trace.replay import Replay, ReplayOptions
from protocols.fitcloud.spec import SPEC
from tests.unit.trace.writers import Packet, as_h4, btsnoop, timed

_T = TypeVar("_T")


def replayed(data: bytes, **options: Any) -> tuple[list[Outcome], TraceError | None]:
    """Everything that was told, and the error at the end if there was one."""
    settings = ReplayOptions(**{"specs": (SPEC,), **options})
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(Replay(settings).run(io.BytesIO(data)))
    except TraceError as error:
        return outcomes, error
    return outcomes, None


def told(data: bytes, **options: Any) -> list[Outcome]:
    """Of a sound file."""
    outcomes: list[Outcome] = []
    settings = ReplayOptions(**{"specs": (SPEC,), **options})
    for outcome in Replay(settings).run(io.BytesIO(data)):
        outcomes.append(outcome)  # noqa: PERF402 - what came before an error is wanted, too
    return outcomes


def of(kind: type[_T], outcomes: Sequence[Outcome]) -> list[_T]:
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def summary(outcomes: Sequence[Outcome]) -> Summary:
    (found,) = of(Summary, outcomes)
    assert outcomes[-1] is found
    return found


def pdus(items: Sequence[tuple[bool, bytes]] | Sequence[Packet]) -> list[AttSeen]:
    """The attribute PDUs of HCI packets, without anything odd."""
    packets = [item if isinstance(item, Packet) else None for item in items]
    known = timed(items) if None in packets else packets  # type: ignore[arg-type]
    outcomes = told(btsnoop(as_h4(known), 1002), with_att=True, specs=())  # type: ignore[arg-type]
    assert of(AnomalySeen, outcomes) == []
    return of(AttSeen, outcomes)
