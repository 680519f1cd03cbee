"""The passive side of a protocol: it reads along in a conversation between a device and its host.

An observer never asks, answers or erases; it is fed what both sides said and tells what it means.
It lives as long as one connection:

    observer.opened(address, at)
    observer.written(characteristic, data, at)    # in the order of the trace
    while (seen := observer.next_observation()) is not None: show(seen)
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from protocols.model.time import Moment
from protocols.session import Anomaly, Batch, Raise

Observation = Batch | Raise | Anomaly
"""Readings that came together, an event, or something odd."""


class Observer(Protocol):
    """One connection, read along. No input raises, whatever the bytes are, and memory is bounded.

    `at.local` is the owner's local time as far as the trace tells it; a protocol that hears the
    device's clock being set knows better. Characteristics are lower-case 128-bit UUIDs.
    """

    def opened(self, address: str | None, at: Moment) -> None:
        """First input. `address` is the device's in display order, None when it is not known."""

    def written(self, characteristic: str, data: bytes, at: Moment) -> bool:
        """The host wrote a characteristic. False when the protocol does not use it."""

    def notified(self, characteristic: str, data: bytes, at: Moment) -> bool:
        """A notification, an indication or the answer to a read. False as for `written`."""

    def closed(self, at: Moment) -> None:
        """The connection, or the trace, is over."""

    def next_observation(self) -> Observation | None:
        """The next one in order, or None when everything has been drained."""

    def unread(self) -> Mapping[str, int]:
        """How many messages of each kind had a meaning that is not told, by the protocol's own
        names for them."""


class Said(NamedTuple):
    """One characteristic value on its way."""

    to_device: bool
    characteristic: str
    data: bytes
    at: Moment


class Scrubber(Protocol):
    """Takes out of one connection what is nobody's business: who, where, and every text.

    Values keep their lengths and their order, and what protects them (check values) is made anew.
    What is not known to be harmless is blanked. Scrubbing again changes nothing. No input raises,
    and memory is bounded.
    """

    def opened(self, address: str | None) -> None:
        """First input, as for `Observer.opened`."""

    def take(self, said: Said) -> bool:
        """The next value. False when the protocol does not use it; then it is left out."""

    def close(self) -> None:
        """No more will come."""

    def next_said(self) -> Said | None:
        """The next value that is fit to be shown, or None when it has to wait for others."""
