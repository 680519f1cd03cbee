"""A gateway in a process of its own: connects, receives, says so, waits to be killed."""

import asyncio
import sys

from gatewayd.ble.bluez import BleakRadio, Limits
from gatewayd.virtual.backend import attach
from tests.integration.ble.echo import CONTROL, DATA, SEND, WATCH, order


async def main(transport: str, count: int) -> None:
    done = asyncio.Event()
    received: list[bytes] = []

    def on_data(_: str, data: bytes) -> None:
        received.append(data)
        if len(received) == count:
            done.set()

    async with attach(transport) as central:
        radio = BleakRadio(
            scanner_backend=central.scanner_backend,
            client_backend=central.client_backend,
            limits=Limits(find_s=5, call_s=5),
        )
        link = await radio.connect(WATCH.address)
        await link.subscribe(DATA, on_data)
        await link.write(CONTROL, order(SEND, count, 180), response=True)
        await done.wait()
        print(f"received {len(received)}", flush=True)
        await link.lost.wait()
        print("lost", flush=True)
        await radio.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
