"""Answers golden vectors with this protocol's own codecs and engine.

The vendor's names of operations, types and fields live here and nowhere else. Run it with
`python -m protocols.testing.conformance`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import ProtocolError
from protocols.fitcloud.conformance import (
    events,
    flows,
    frames,
    messages,
    pushes,
    records,
    vitals,
)
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json, Unanswerable
from protocols.fitcloud.conformance.rehearsal import rehearsal
from protocols.testing.vectors import Failed, Outcome, Passed, Unsupported, Vector, compared

__all__ = ["HANDLERS", "rehearsal", "run"]

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **messages.HANDLERS,
        **records.HANDLERS,
        **events.HANDLERS,
        **vitals.HANDLERS,
        **frames.HANDLERS,
        **flows.HANDLERS,
    }
)


def run(vector: Vector) -> Outcome:
    """The outcome of one vector. Raises nothing but what a codec may not raise either."""
    case = Case(vector.name, vector.params, vector.chunks or (), vector.expect)
    try:
        if vector.op is not None:
            return _operation(vector, case)
        if vector.compare is not None:
            return Unsupported(f"comparison by {vector.compare}")
        if vector.kind == "encode":
            return _encoded(vector, case)
        return _answered(lambda: pushes.decoded(case), vector.expect)
    except Unanswerable as error:
        return Unsupported(str(error))


def _operation(vector: Vector, case: Case) -> Outcome:
    handler = HANDLERS.get(vector.op or "")
    if handler is None:
        return Unsupported("no such operation")
    outcome = _answered(lambda: handler(case), vector.expect)
    if vector.kind == "encode" and vector.chunks is not None and isinstance(outcome, Passed):
        # The row states the value twice; a row that contradicts itself must not pass.
        stated = vector.expect["data"] if isinstance(vector.expect, Mapping) else vector.expect
        return compared(vector.data.hex(), stated)
    return outcome


def _encoded(vector: Vector, case: Case) -> Outcome:
    packets = vector.packets
    if packets is None:
        return _answered(lambda: pushes.encoded(case, None).hex(), vector.data.hex())
    if len(packets) != 1:
        return Unsupported("messages of several packets")
    key = (packets[0].command, packets[0].key)
    outcome = _answered(lambda: pushes.encoded(case, key).hex(), packets[0].value.hex())
    if isinstance(outcome, Passed) and vector.data != packets[0].value:
        return Failed("the row's packets and bytes differ")
    return outcome


def _answered(answer: Callable[[], Json], expected: Json) -> Outcome:
    try:
        actual = answer()
    except ProtocolError as error:
        actual = {"error": type(error).__name__}
    if isinstance(actual, Answer):
        return compared(actual.expected, actual.actual)
    return compared(expected, actual)
