"""A family's whole conversation, tried in every way that the air may spoil it.

A family that has a virtual peripheral gives a `Rehearsal`: the function `rehearsal` of its
conformance module (`ProtocolSpec.conformance`), beside `run`. The checks below then need nothing
else. Each raises `Spoilt` and says what went wrong.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from protocols.errors import LinkClosed, ProtocolError
from protocols.model.intents import Intent, Sync
from protocols.model.readings import Reading
from protocols.model.time import Moment
from protocols.session import LinkFacts, Session, SessionSettings
from protocols.testing.duet import Action, Duet, Peripheral
from protocols.testing.virtual_watch.effects import Effect, Notify
from protocols.testing.virtual_watch.held import Erased, EraseReason

WRITE_SIZES: Final = (20, 27, 61, 182, 244, 512)
"""What is common on air: ATT_MTU 23, 30, 64, 185, 247 and the largest value."""

MAX_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What it takes to rehearse a family.

    `peripheral` makes a device that holds something and forgets it when told (its `erased` says
    what), the same on every call; it may be connected again and again. `intents` fetch all that it
    holds.
    """

    peripheral: Callable[[], Peripheral]
    facts: LinkFacts
    settings: SessionSettings
    start: Moment
    intents: tuple[Intent, ...] = (Sync(),)


class Spoilt(AssertionError):
    """The conversation did not end as it has to."""


Open = Callable[[SessionSettings], Session]


def fetched(opened: Open, rehearsal: Rehearsal) -> tuple[Reading, ...]:
    """What an undisturbed conversation yields. Raises Spoilt when that is nothing."""
    duet = _duet(opened, rehearsal, rehearsal.peripheral())
    error = _carry_out(duet, rehearsal)
    if error is not None:
        raise Spoilt(f"an undisturbed conversation failed: {error!r}")
    _expect_no_early_erasure(duet, "an undisturbed conversation")
    if not duet.readings:
        raise Spoilt("an undisturbed conversation yields no reading")
    return tuple(duet.readings)


def any_split_yields_the_same(opened: Open, rehearsal: Rehearsal) -> None:
    """The device cuts what it sends to the size of the link; what it says stays the same."""
    expected = fetched(opened, rehearsal)
    for size in WRITE_SIZES:
        facts = replace(rehearsal.facts, write_size=size)
        found = fetched(opened, replace(rehearsal, facts=facts))
        _expect_same(expected, found, f"with {size} bytes a write")


def any_order_yields_the_same(opened: Open, rehearsal: Rehearsal, seed: int) -> None:
    """Whatever the interleaving of writes, notifications and confirmations."""
    random = Random(seed)  # noqa: S311 - the same order on every machine
    duet = _duet(opened, rehearsal, rehearsal.peripheral(), choose=_shuffled(random))
    error = _carry_out(duet, rehearsal)
    if error is not None:
        raise Spoilt(f"order {seed} failed: {error!r}")
    _expect_no_early_erasure(duet, f"order {seed}")
    _expect_same(fetched(opened, rehearsal), tuple(duet.readings), f"order {seed}")


def nothing_is_erased_before_confirm(opened: Open, rehearsal: Rehearsal) -> None:
    """Without a single confirmation the device may forget nothing, however long it takes."""
    peripheral = rehearsal.peripheral()
    duet = _duet(opened, rehearsal, peripheral, auto_confirm=False)
    error = _carry_out(duet, rehearsal, steps=20_000)
    if error is None and not duet.commits:
        raise Spoilt("nothing was handed over, so nothing could be confirmed")
    erased = [item for item in peripheral.erased if item.reason is EraseReason.CONFIRMED]
    if erased:
        raise Spoilt(f"{len(erased)} blocks were erased although nothing was confirmed")


def nothing_is_lost_with_the_link(opened: Open, rehearsal: Rehearsal, seed: int) -> None:
    """The link breaks again and again, and in the end everything has arrived."""
    random = Random(seed)  # noqa: S311 - the same breaks on every machine
    expected = fetched(opened, rehearsal)
    peripheral = rehearsal.peripheral()
    durable: list[Reading] = []
    last: Duet | None = None
    for number in range(MAX_CONNECTIONS):
        now = rehearsal if last is None else replace(rehearsal, start=last.now)
        duet = _duet(opened, now, peripheral, choose=_shuffled(random))
        if last is not None:
            duet.raws.extend(last.raws)  # what is durable stays so
        is_last = number == MAX_CONNECTIONS - 1
        error = _carry_out(duet, now, steps=None if is_last else random.randrange(1, 120))
        duet.cut(stored=random.random() < 0.5)
        durable += duet.readings
        _expect_no_early_erasure(duet, f"breaks {seed}")
        last = duet
        if error is None:
            break
    else:
        raise Spoilt(f"breaks {seed}: not done after {MAX_CONNECTIONS} connections")
    missing = Counter(set(expected)) - Counter(set(durable))
    if missing:
        raise Spoilt(f"breaks {seed}: {_some(missing)} never arrived")


def damage_stays_in_bounds(opened: Open, rehearsal: Rehearsal, seed: int) -> tuple[Reading, ...]:
    """Notifications are cut, flipped, doubled and swallowed: the session raises nothing, ends or
    waits, and erases nothing that is not durable. Gives what was read all the same."""
    random = Random(seed)  # noqa: S311 - the same damage on every machine
    duet = _duet(opened, rehearsal, _Damaged(rehearsal.peripheral(), random))
    _carry_out(duet, rehearsal, steps=5_000)
    duet.cut()
    _expect_no_early_erasure(duet, f"damage {seed}")
    return tuple(duet.readings)


# --- inside -----------------------------------------------------------------------------------


class _Damaged:
    """A peripheral on a bad link: one notification in ten is not what was sent."""

    def __init__(self, peripheral: Peripheral, random: Random) -> None:
        self._peripheral = peripheral
        self._random = random
        self._waiting: deque[Effect] = deque()

    @property
    def erased(self) -> Sequence[Erased]:
        return self._peripheral.erased

    def connected(self, mtu: int, now: float) -> None:
        self._peripheral.connected(mtu, now)

    def subscribed(self) -> None:
        self._peripheral.subscribed()

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        self._peripheral.written(characteristic, data, now)

    def tick(self, now: float) -> None:
        self._peripheral.tick(now)

    def disconnected(self, now: float) -> None:
        self._waiting.clear()
        self._peripheral.disconnected(now)

    def deadline(self) -> float | None:
        return self._peripheral.deadline()

    def next_effect(self) -> Effect | None:
        while not self._waiting:
            effect = self._peripheral.next_effect()
            if effect is None:
                return None
            self._waiting.extend(self._spoil(effect))
        return self._waiting.popleft()

    def _spoil(self, effect: Effect) -> tuple[Effect, ...]:
        if not isinstance(effect, Notify) or not effect.data or self._random.random() > 0.1:
            return (effect,)
        data, at = bytearray(effect.data), self._random.randrange(len(effect.data))
        match self._random.randrange(4):
            case 0:
                return ()
            case 1:
                return (effect, effect)
            case 2:
                del data[at:]
            case _:
                data[at] ^= 1 << self._random.randrange(8)
        return (Notify(effect.characteristic, bytes(data)),)


def _duet(
    opened: Open,
    rehearsal: Rehearsal,
    peripheral: Peripheral,
    *,
    choose: Callable[[Sequence[Action]], Action] | None = None,
    auto_confirm: bool = True,
) -> Duet:
    return Duet(
        opened(rehearsal.settings),
        peripheral,
        rehearsal.facts,
        start=rehearsal.start,
        choose=choose or (lambda actions: actions[0]),
        auto_confirm=auto_confirm,
    )


def _carry_out(
    duet: Duet, rehearsal: Rehearsal, *, steps: int | None = None
) -> ProtocolError | None:
    """The first error among the intents; LinkClosed when they are not settled within `steps`."""
    tickets = [duet.submit(intent) for intent in rehearsal.intents]

    def settled() -> bool:
        return all(ticket in duet.settled for ticket in tickets)

    done = duet.run(settled) if steps is None else duet.run(settled, steps=steps)
    if not done:
        return LinkClosed("the conversation is not over")
    errors = (duet.settled[ticket] for ticket in tickets)
    return next((error for error in errors if error is not None), None)


def _shuffled(random: Random) -> Callable[[Sequence[Action]], Action]:
    """Any order of what is under way; time passes only when there is nothing else to do."""

    def choose(actions: Sequence[Action]) -> Action:
        return random.choice([action for action in actions if action is not Action.WAIT] or actions)

    return choose


def _expect_no_early_erasure(duet: Duet, when: str) -> None:
    if duet.early_erasures:
        raise Spoilt(f"{when}: told to forget what was not durable: {duet.early_erasures}")


def _expect_same(expected: Sequence[Reading], found: Sequence[Reading], when: str) -> None:
    missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    if missing or extra:
        raise Spoilt(f"{when}: {_some(missing)} missing, {_some(extra)} too many")


def _some(readings: Counter[Reading]) -> str:
    first = next(iter(readings), None)
    return "none" if first is None else f"{readings.total()} (first: {first})"
