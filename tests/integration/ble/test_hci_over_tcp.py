"""The gateway in one process, the watch and both controllers in another."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gatewayd.ble.bluez import BleakRadio, Limits
from gatewayd.errors import AdapterMissing
from gatewayd.virtual.air import Air
from gatewayd.virtual.backend import attach
from gatewayd.virtual.peripheral import Peripheral, on_air
from tests.integration.ble.echo import CONTROL, DATA, SEND, SERVICES, WATCH, EchoWatch, order

ROOT = Path(__file__).parents[3]


ON_AIR = pytest.mark.usefixtures("peripheral")


@asynccontextmanager
async def gateway(port: int, count: int = 1) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.ble.gateway_process",
        f"tcp-client:127.0.0.1:{port}",
        str(count),
        cwd=ROOT,
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return await process.stdout.readline()


class Gate(asyncio.Event):
    """An event that tells when it is cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.set()
        self.closed = asyncio.Event()

    def clear(self) -> None:
        super().clear()
        self.closed.set()


async def test_a_killed_gateway_is_a_lost_link_to_the_watch_and_the_next_one_connects_at_once(
    air: Air, watch: EchoWatch, peripheral: Peripheral
) -> None:
    async with air.serve_controller() as port:
        for life in range(1, 4):
            async with gateway(port, count=200) as process:
                assert await line(process) == b"received 200\n"
                assert watch.connections == life
                process.kill()
                await watch.until(lambda watch: watch.disconnections == watch.connections)
        assert not peripheral.is_connected


async def test_the_watch_can_hang_up_on_a_gateway_in_another_process(
    air: Air, peripheral: Peripheral
) -> None:
    async with air.serve_controller() as port, gateway(port) as process:
        assert await line(process) == b"received 1\n"
        await peripheral.drop()
        assert await line(process) == b"lost\n"
        async with asyncio.timeout(10):
            assert await process.wait() == 0


@ON_AIR
async def test_a_controller_that_goes_away_is_a_missing_adapter_and_a_lost_link(air: Air) -> None:
    async with air.serve_controller() as port:
        stack = attach(f"tcp-client:127.0.0.1:{port}")
        central = await stack.__aenter__()
        radio = BleakRadio(
            scanner_backend=central.scanner_backend,
            client_backend=central.client_backend,
            limits=Limits(find_s=3, close_s=1),
        )
        link = await radio.connect(WATCH.address)
    async with asyncio.timeout(5):
        await link.lost.wait()
        with pytest.raises(AdapterMissing):
            async with radio.advertisements():
                pytest.fail("a scan without a controller")
        await radio.close()
        await stack.__aexit__(None, None, None)


@ON_AIR
async def test_a_newcomer_takes_the_controller_over(air: Air) -> None:
    async with air.serve_controller() as port:
        transport = f"tcp-client:127.0.0.1:{port}"
        async with attach(transport) as first:
            old = BleakRadio(
                scanner_backend=first.scanner_backend, client_backend=first.client_backend
            )
            link = await old.connect(WATCH.address)
            async with attach(transport) as second, asyncio.timeout(5):
                await link.lost.wait()
                new = BleakRadio(
                    scanner_backend=second.scanner_backend, client_backend=second.client_backend
                )
                await (await new.connect(WATCH.address)).close()
                await new.close()
            await old.close()


async def test_a_gateway_that_does_not_read_makes_the_watch_wait_instead_of_filling_memory(
    air: Air, watch: EchoWatch
) -> None:
    air.flowing = gate = Gate()
    async with (
        on_air(air, watch, WATCH, services=SERVICES) as peripheral,
        air.serve_controller() as port,
        gateway(port, count=10**9) as process,
    ):
        await watch.until(lambda watch: watch.received)
        process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(20):
            await gate.closed.wait()
        process.kill()
        await watch.until(lambda watch: watch.disconnections)
        assert not peripheral.is_connected


async def test_what_is_not_hci_is_shown_the_door(air: Air) -> None:
    async with air.serve_controller() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        async with attach(f"tcp-client:127.0.0.1:{port}"):
            pass


@ON_AIR
async def test_notifications_cross_the_process_boundary_in_order(air: Air) -> None:
    received: list[bytes] = []
    done = asyncio.Event()

    def on_data(_: str, data: bytes) -> None:
        received.append(data)
        if len(received) == 1000:
            done.set()

    async with (
        air.serve_controller() as port,
        attach(f"tcp-client:127.0.0.1:{port}") as central,
        asyncio.timeout(20),
    ):
        radio = BleakRadio(
            scanner_backend=central.scanner_backend, client_backend=central.client_backend
        )
        link = await radio.connect(WATCH.address)
        await link.subscribe(DATA, on_data)
        await link.write(CONTROL, order(SEND, 1000, 180), response=True)
        await done.wait()
        assert [int.from_bytes(item[:4], "little") for item in received] == list(range(1000))
        await radio.close()
