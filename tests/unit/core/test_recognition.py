"""Which protocol a device speaks, from what it says on air."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gatewayd.core.ports import Link
from gatewayd.core.recognition import choose, recognise
from gatewayd.errors import AdapterOff, DeviceNotFound, ProtocolMismatch
from protocols.session import Session, SessionSettings
from protocols.spec import Advertisement, Match, ProtocolSpec

OURS = "C0:FF:EE:00:00:01"


def spec(name: str, score: int) -> ProtocolSpec:
    """Matches watches that say its name."""

    def match(advertisement: Advertisement) -> Match | None:
        return Match(score, "its name") if name in (advertisement.name or "") else None

    def open_session(_: SessionSettings) -> Session:
        raise AssertionError("nobody connects here")

    return ProtocolSpec(name, name.title(), match, open_session, frozenset())


class Air:
    """Says what it was given, then stays silent for ever."""

    def __init__(self, *heard: Advertisement, error: Exception | None = None) -> None:
        self._heard = heard
        self._error = error
        self.is_scanning = False

    def advertisements(self) -> AbstractAsyncContextManager[AsyncIterator[Advertisement]]:
        return self._scan()

    async def connect(self, address: str) -> Link:
        raise AssertionError("nobody connects here")

    async def close(self) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def _scan(self) -> AsyncIterator[AsyncIterator[Advertisement]]:
        if self._error is not None:
            raise self._error
        self.is_scanning = True
        try:
            yield self._all()
        finally:
            self.is_scanning = False

    async def _all(self) -> AsyncIterator[Advertisement]:
        for advertisement in self._heard:
            yield advertisement
        await asyncio.Event().wait()


ALPHA, BETA = spec("alpha", 90), spec("beta", 50)


async def test_the_best_match_of_the_right_device_decides() -> None:
    air = Air(
        Advertisement("11:22:33:44:55:66", "beta"),
        Advertisement(OURS),  # a first packet without a name
        Advertisement(OURS, "alpha beta"),
    )
    assert await recognise(OURS, air, [BETA, ALPHA]) is ALPHA
    assert not air.is_scanning


async def test_a_device_that_is_not_heard_is_not_found() -> None:
    air = Air(Advertisement("11:22:33:44:55:66", "alpha"))
    with pytest.raises(DeviceNotFound) as raised:
        await recognise(OURS, air, [ALPHA], listen_s=0.01)
    assert raised.value.retry
    assert not air.is_scanning


async def test_a_device_that_matches_nothing_is_a_stranger() -> None:
    with pytest.raises(ProtocolMismatch, match="alpha, beta"):
        await recognise(OURS, Air(Advertisement(OURS, "gamma")), [ALPHA, BETA], listen_s=0.01)


async def test_a_tie_is_for_the_owner_to_decide() -> None:
    with pytest.raises(ProtocolMismatch, match="equally well"):
        await recognise(OURS, Air(Advertisement(OURS, "alpha beta")), [ALPHA, spec("beta", 90)])


async def test_what_scanning_raises_comes_out() -> None:
    with pytest.raises(AdapterOff):
        await recognise(OURS, Air(error=AdapterOff("off")), [ALPHA])


def test_nothing_matches_nothing() -> None:
    assert choose(Advertisement(OURS, "alpha"), []) is None
    assert choose(Advertisement(OURS), [ALPHA]) is None
