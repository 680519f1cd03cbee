"""What an answer to a vector is made from, and made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from protocols.fitcloud.features import INVERTED, Features

Json: TypeAlias = Any
"""What JSON can say; its shape is the business of each operation."""


class Unanswerable(Exception):
    """This gateway has no such operation, or the vendor's name for its result is not known."""


@dataclass(frozen=True, slots=True)
class Case:
    """One vector's inputs. `expect` is there for results that can be compared only in part."""

    name: str
    params: Mapping[str, Json]
    chunks: tuple[bytes, ...] = ()
    expect: Json = None

    @property
    def data(self) -> bytes:
        """All the bytes."""
        return b"".join(self.chunks)

    @property
    def tz(self) -> str:
        """The time zone in which the vendor's phone stood."""
        zone: str = self.params.get("tz") or "UTC"
        return zone

    @property
    def features(self) -> Features:
        """The supported features: a list of them, or raw bits before the inversion."""
        if "device_bits_set" in self.params:
            return Features(frozenset(self.params["device_bits_set"]) ^ INVERTED)
        return Features(frozenset(self.params.get("features", ())))


class Answer(NamedTuple):
    """A result together with what it is to be compared with, where that is not the vector's own."""

    actual: Json
    expected: Json


Handler: TypeAlias = Callable[[Case], Json]
"""Gives a result in the vector's shape, or an Answer. Raises ProtocolError for a rejection."""
