"""The radio that attaches to a controller by itself, and again when the controller has gone."""

import asyncio
import socket

import pytest

from gatewayd.errors import AdapterMissing
from gatewayd.radio import ControllerRadio
from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import Peripheral
from tests.integration.ble.echo import CONTROL, DATA, SEND, WATCH, order


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def echoes(radio: ControllerRadio) -> bool:
    link = await radio.connect(WATCH.address)
    heard = asyncio.Event()
    await link.subscribe(DATA, lambda _characteristic, _data: heard.set())
    await link.write(CONTROL, order(SEND, 1), response=False)
    async with asyncio.timeout(5):
        await heard.wait()
    await link.close()
    return heard.is_set()


@pytest.mark.usefixtures("peripheral")
async def test_a_controller_that_comes_late_and_comes_back_is_attached_again(air: Air) -> None:
    port = free_port()
    radio = ControllerRadio(f"tcp-client:127.0.0.1:{port}")
    try:
        with pytest.raises(AdapterMissing):
            await radio.connect(WATCH.address)
        async with air.serve_controller(port):
            assert await echoes(radio)
        with pytest.raises(AdapterMissing):
            await radio.connect(WATCH.address)
        async with air.serve_controller(port):
            assert await echoes(radio)
    finally:
        await radio.close()


async def test_scanning_attaches_too(air: Air, peripheral: Peripheral) -> None:
    assert not peripheral.is_connected
    async with air.serve_controller() as port:
        radio = ControllerRadio(f"tcp-client:127.0.0.1:{port}")
        try:
            async with asyncio.timeout(10), radio.advertisements() as advertisements:
                heard = await anext(advertisements)
            assert heard.address == WATCH.address
        finally:
            await radio.close()
