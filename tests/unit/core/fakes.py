"""The outside of the core, in memory."""

from collections.abc import Callable, Mapping, Sequence

from gatewayd.core.ports import Committed, KnownDevice, Outgoing, Row, StateValue, Tally
from protocols.model.capabilities import Description
from protocols.session import Raw


class FakeStore:
    """Everything is new to it; `failing` is raised instead of committing."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.raws: list[Raw] = []
        self.values: dict[str, StateValue] = {}
        self.failing: Exception | None = None
        self.conflicts = 0

    async def know(self, identity: str, slug: str, protocol: str) -> KnownDevice:
        return KnownDevice(1, identity, slug)

    async def commit(
        self,
        device: KnownDevice,
        rows: Sequence[Row],
        state: Sequence[StateValue],
        raw: Raw | None,
        received_utc_s: float,
    ) -> Committed:
        if self.failing is not None:
            raise self.failing
        first = len(self.rows) + 1
        self.rows += rows
        if raw is not None:
            self.raws.append(raw)
        self.values.update({value.key: value for value in state})
        outgoing = tuple(
            Outgoing(
                number,
                device.slug,
                f"{row.kind}/{row.key}",
                row.kind,
                row.start_utc_s,
                row.end_utc_s,
                row.utc_offset_s,
                row.values,
                row.verified,
                1,
                received_utc_s,
            )
            for number, row in enumerate(rows, first)
        )
        return Committed(outgoing, 0, self.conflicts, dict(self.values) if state else None)

    async def readings(
        self, device: KnownDevice, kind: str, start_utc_s: int, end_utc_s: int
    ) -> Sequence[Row]:
        return [
            row
            for row in self.rows
            if row.kind == kind and start_utc_s <= row.start_utc_s < end_utc_s
        ]

    async def state(self, device: KnownDevice) -> Mapping[str, StateValue]:
        return self.values

    async def pending(self, after: int, limit: int) -> Sequence[Outgoing]:
        return []

    async def delivered(self, sequences: Sequence[int]) -> None:
        """Nothing waits here."""

    async def tallies(self, device: KnownDevice) -> Sequence[Tally]:
        return []


class FakeBroker:
    """Notes what it is told; `on_offer` is called first."""

    def __init__(self, on_offer: Callable[[], None] = lambda: None) -> None:
        self.offered: list[Outgoing] = []
        self.announced: list[str] = []
        self.availabilities: list[bool] = []
        self.states: list[Mapping[str, StateValue]] = []
        self._on_offer = on_offer

    def offer(self, outgoing: Sequence[Outgoing]) -> None:
        self._on_offer()
        self.offered += outgoing

    def announce(self, slug: str, identity: str, name: str, description: Description) -> None:
        self.announced.append(slug)

    def availability(self, slug: str, *, online: bool) -> None:
        self.availabilities.append(online)

    def state(self, slug: str, state: Mapping[str, StateValue]) -> None:
        self.states.append(state)
