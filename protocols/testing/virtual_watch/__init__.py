"""A FitCloud watch made of software, as pure as the protocol that it tests.

It is a sans-IO *peripheral*: whoever hosts it (a software radio, a test, a benchmark) reports what
the central does and carries out what the watch wants in return:

    watch.connected(mtu=247, now=0.0)
    watch.subscribed()
    watch.written(WRITE_UUID, data, now=0.1)
    while (effect := watch.next_effect()) is not None: carry_out(effect)   # Notify or Drop

It owns its own frame layer, check value and date packing and imports nothing of the protocol under
test, so that a mistake made there cannot cancel itself out here. What it answers are bytes of the
golden vectors, re-dated. To do the same for another protocol keep the seam (`gatt`, `effects`) and
replace `frames`, `link`, `history` and `watch`.
"""

from protocols.testing.virtual_watch.effects import Drop, Effect, Notify
from protocols.testing.virtual_watch.entry import Entry
from protocols.testing.virtual_watch.faults import Faults, Impostor
from protocols.testing.virtual_watch.gatt import (
    NOTIFY_UUID,
    SERVICE_UUID,
    SERVICES,
    WRITE_UUID,
    Advertisement,
    Characteristic,
    Service,
)
from protocols.testing.virtual_watch.held import Erased, EraseReason
from protocols.testing.virtual_watch.history import Block, History, build_history
from protocols.testing.virtual_watch.profile import MODERN, PLAIN, RICH, WatchProfile
from protocols.testing.virtual_watch.watch import (
    BindAnswer,
    Confirmation,
    Heard,
    VirtualWatch,
)

__all__ = [
    "MODERN",
    "NOTIFY_UUID",
    "PLAIN",
    "RICH",
    "SERVICES",
    "SERVICE_UUID",
    "WRITE_UUID",
    "Advertisement",
    "BindAnswer",
    "Block",
    "Characteristic",
    "Confirmation",
    "Drop",
    "Effect",
    "Entry",
    "EraseReason",
    "Erased",
    "Faults",
    "Heard",
    "History",
    "Impostor",
    "Notify",
    "Service",
    "VirtualWatch",
    "WatchProfile",
    "build_history",
]
