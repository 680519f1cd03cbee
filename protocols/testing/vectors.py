"""Golden vectors: one JSON object a line, and the rules by which results are compared.

The schema is described beside the vectors (`README-data.md`, `README-push.md`). A protocol's
conformance module answers them with `run(vector) -> Outcome`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""What JSON can say. `Any`, because a vector's shape is the business of its operation alone."""

RELATIVE_TOLERANCE: Final = 1e-6
"""The vendor's floats are 32-bit."""

_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})


class BadVectors(Exception):
    """A file that is no file of vectors; says which line, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that must be produced."""

    command: int
    key: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Vector:
    """One golden vector. Rows of either schema come out alike.

    `op` is None in the schema that tells operations by name and key. `chunks` are successive
    inputs, None where the row has no bytes. `expect` is the result, `compare` a rule other than
    equality.
    """

    name: str
    kind: str
    op: str | None
    params: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    chunks: tuple[bytes, ...] | None = None
    expect: Json = None
    note: str | None = None
    source: str | None = None
    compare: str | None = None
    packets: tuple[Packet, ...] | None = None
    line: int = 0

    @property
    def data(self) -> bytes:
        """All the bytes, one chunk after the other."""
        return b"".join(self.chunks or ())

    @property
    def subject(self) -> str:
        """What it is about, for a summary: operation and sync type, or the name's first part."""
        if self.op is None:
            return f"{self.name.partition('/')[0]} {self.kind}"
        type_id = self.params.get("type")
        return self.op if type_id is None else f"{self.op} type {type_id}"


@dataclass(frozen=True, slots=True)
class Passed:
    """As expected."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Not as expected; `difference` says where."""

    difference: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The protocol has no such operation; `reason` says why."""

    reason: str


Outcome = Passed | Failed | Unsupported


def load(path: Path) -> list[Vector]:
    """All vectors of a file. Raises BadVectors for what is no vector, OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadVectors(f"not UTF-8 text (byte {error.start})") from error
    return list(parse(text))


def parse(text: str) -> Iterator[Vector]:
    """The vectors of a text; empty lines are allowed. Raises BadVectors."""
    # JSON may hold U+2028 and its like unescaped, where str.splitlines would cut.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadVectors(f"line {number}: not JSON ({error.msg})") from error
        except RecursionError as error:
            raise BadVectors(f"line {number}: nested too deeply") from error
        try:
            yield _vector(row, number)
        except (KeyError, TypeError, ValueError) as error:
            raise BadVectors(f"line {number}: not a vector ({_reason(error)})") from error


def compared(expected: Json, actual: Json) -> Outcome:
    """Passed when `actual` is what the vector wants.

    `{"error": …}` stands for any rejection: the label is not compared.
    """
    if is_rejection(expected):
        if is_rejection(actual):
            return Passed()
        return Failed(f"a rejection was expected, got {_short(actual)}")
    if is_rejection(actual):
        return Failed(f"rejected ({actual['error']}), expected {_short(expected)}")
    found = difference(expected, actual)
    return Passed() if found is None else Failed(found)


def is_rejection(value: Json) -> bool:
    """Whether it is `{"error": …}` and nothing else."""
    return isinstance(value, Mapping) and set(value) == {"error"}


def difference(expected: Json, actual: Json, path: str = "result") -> str | None:
    """Where two results differ first, None when they do not.

    Numbers are equal within a relative tolerance when either is a float; everything else exactly,
    with no key more and no key less.
    """
    match expected, actual:
        case Mapping(), Mapping():
            for key in sorted(expected.keys() | actual.keys()):
                if key not in actual:
                    return f"{path}.{key}: missing, expected {_short(expected[key])}"
                if key not in expected:
                    return f"{path}.{key}: not expected, got {_short(actual[key])}"
                found = difference(expected[key], actual[key], f"{path}.{key}")
                if found is not None:
                    return found
            return None
        case list() | tuple(), list() | tuple():
            for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
                found = difference(one, other, f"{path}[{index}]")
                if found is not None:
                    return found
            if len(expected) != len(actual):
                return f"{path}: {len(expected)} elements expected, got {len(actual)}"
            return None
        case _ if _equal(expected, actual):
            return None
        case _:
            return f"{path}: expected {_short(expected)}, got {_short(actual)}"


def _equal(expected: Json, actual: Json) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        return (
            isinstance(expected, int | float)
            and isinstance(actual, int | float)
            and math.isclose(expected, actual, rel_tol=RELATIVE_TOLERANCE)
        )
    return type(expected) is type(actual) and bool(expected == actual)


def _vector(row: Json, line: int) -> Vector:
    if not isinstance(row, dict):
        raise TypeError("no JSON object")
    in_parts = "op" in row
    packets = row.get("packets")
    params = row.get("params" if in_parts else "input") or {}
    if not isinstance(params, dict):
        raise TypeError("its inputs are no JSON object")
    return Vector(
        name=_text(row, "name"),
        kind=_text(row, "kind"),
        op=_text(row, "op") if in_parts else None,
        params=params,
        chunks=_chunks(row.get("hex")),
        expect=row.get("expect" if in_parts else "output"),
        note=row.get("note"),
        source=row.get("source"),
        compare=row.get("compare"),
        packets=None if packets is None else tuple(_packet(item) for item in packets),
        line=line,
    )


def _text(row: Mapping[str, Json], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"its {key} is no text")
    return value


def _chunks(value: Json) -> tuple[bytes, ...] | None:
    if value is None:
        return None
    parts = [value] if isinstance(value, str) else value
    return tuple(bytes.fromhex(part) for part in parts)


def _packet(item: Json) -> Packet:
    return Packet(int(item["cmd"]), int(item["key"]), bytes.fromhex(item["hex"]))


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 120 else f"{text[:117]}..."
