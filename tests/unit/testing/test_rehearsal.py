"""A rehearsal finds sessions that spoil the conversation, each in its own way."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols.errors import LinkClosed
from protocols.fitcloud.conformance import rehearsal
from protocols.fitcloud.session import FitCloudSession
from protocols.model.intents import Sync
from protocols.model.time import Moment
from protocols.session import Commit, Effect, LinkFacts, SessionSettings, Settled
from protocols.testing import rehearsal as checks
from protocols.testing.rehearsal import Rehearsal, Spoilt
from protocols.testing.virtual_watch import RICH, VirtualWatch

STAGE = rehearsal()


class Spoiler:
    """Our session with one fault; everything that is not its fault is the session's own."""

    def __init__(self, settings: SessionSettings) -> None:
        self.session = FitCloudSession(settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


class Eager(Spoiler):
    """Confirms its own batches as soon as it has made them."""

    def next_effect(self) -> Effect | None:
        effect = self.session.next_effect()
        if isinstance(effect, Commit):
            self.session.confirm(effect.receipt, self.now)
        return effect

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        self.now = now
        self.session.opened(facts, now)

    def confirm(self, *_: object) -> None: ...


class Forgetful(Spoiler):
    """Loses one reading in each batch."""

    def next_effect(self) -> Effect | None:
        effect = self.session.next_effect()
        if isinstance(effect, Commit):
            batch = replace(effect.batch, readings=effect.batch.readings[1:])
            return replace(effect, batch=batch)
        return effect


class Narrow(Forgetful):
    """Does so only where little fits in a write."""

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        self.is_narrow = facts.write_size < 100
        self.session.opened(facts, now)

    def next_effect(self) -> Effect | None:
        return super().next_effect() if self.is_narrow else self.session.next_effect()


class Sulky(Spoiler):
    """Refuses whatever it is asked."""

    def next_effect(self) -> Effect | None:
        effect = self.session.next_effect()
        return replace(effect, error=LinkClosed("no")) if isinstance(effect, Settled) else effect


class Shallow(Spoiler):
    """Is over before it has handed over anything."""

    def submit(self, ticket: Any, intent: object, now: Moment) -> None:
        self.over = Settled(ticket)

    def next_effect(self) -> Effect | None:
        over, self.over = getattr(self, "over", None), None
        return over or self.session.next_effect()


CHECKS: dict[str, Callable[[Any, Rehearsal], object]] = {
    "fetched": checks.fetched,
    "split": checks.any_split_yields_the_same,
    "early": checks.nothing_is_erased_before_confirm,
    "order": functools.partial(checks.any_order_yields_the_same, seed=1),
    "breaks": functools.partial(checks.nothing_is_lost_with_the_link, seed=1),
    "damage": functools.partial(checks.damage_stays_in_bounds, seed=1),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_our_own_session_spoils_nothing(check: Callable[[Any, Rehearsal], object]) -> None:
    check(FitCloudSession, STAGE)


@pytest.mark.parametrize(
    ("session", "check", "says"),
    [
        (Eager, "early", "blocks were erased although nothing was confirmed"),
        (Eager, "order", "told to forget what was not durable"),
        (Eager, "breaks", "told to forget what was not durable"),
        (Eager, "damage", "told to forget what was not durable"),
        (Narrow, "split", r"with 20 bytes a write: \d+ \(first: .*\) missing, none too many"),
        (Sulky, "fetched", "an undisturbed conversation failed: LinkClosed"),
        (Sulky, "order", "order 1 failed: LinkClosed"),
        (Sulky, "breaks", "failed"),
        (Shallow, "fetched", "yields no reading"),
        (Shallow, "early", "nothing was handed over"),
    ],
)
def test_a_session_that_spoils_it_is_found(session: Any, check: str, says: str) -> None:
    with pytest.raises(Spoilt, match=says):
        CHECKS[check](session, STAGE)


def test_a_loss_that_only_a_break_brings_about_is_found() -> None:
    connections = 0

    def opened(settings: SessionSettings) -> Any:
        nonlocal connections
        connections += 1
        # the first is the undisturbed one that tells what has to arrive
        return FitCloudSession(settings) if connections == 1 else Forgetful(settings)

    with pytest.raises(Spoilt, match="never arrived"):
        checks.nothing_is_lost_with_the_link(opened, STAGE, seed=1)


def test_links_do_break_and_damage_does_show() -> None:
    """Else the two checks would be the undisturbed conversation under another name."""
    watches: list[VirtualWatch] = []

    def peripheral() -> VirtualWatch:
        watch = STAGE.peripheral()
        assert isinstance(watch, VirtualWatch)
        watches.append(watch)
        return watch

    stage = replace(STAGE, peripheral=peripheral)
    checks.nothing_is_lost_with_the_link(FitCloudSession, stage, seed=1)
    logins = [heard for heard in watches[-1].log if (heard.command, heard.key) == (0x03, 0x13)]
    assert len(logins) > 1
    whole = checks.fetched(FitCloudSession, stage)
    spoilt = [checks.damage_stays_in_bounds(FitCloudSession, stage, seed) for seed in range(4)]
    assert any(len(readings) < len(whole) for readings in spoilt)


def test_a_rehearsal_says_what_is_asked() -> None:
    assert STAGE.intents == (Sync(),)
    assert isinstance(STAGE.peripheral(), VirtualWatch)
    assert STAGE.peripheral() is not STAGE.peripheral()
    assert RICH.advertisement.address == STAGE.facts.address
