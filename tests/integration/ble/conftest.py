"""A radio, a watch and the air between them."""

from collections.abc import AsyncIterator

import pytest

from gatewayd.ble.bluez import BleakRadio, Limits
from gatewayd.virtual.air import Air
from gatewayd.virtual.backend import Central
from gatewayd.virtual.peripheral import Peripheral, on_air
from tests.integration.ble.echo import SERVICES, WATCH, EchoWatch

LIMITS = Limits(find_s=3, connect_s=5, call_s=5, close_s=2)


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
def watch() -> EchoWatch:
    return EchoWatch()


@pytest.fixture
async def peripheral(air: Air, watch: EchoWatch) -> AsyncIterator[Peripheral]:
    async with on_air(air, watch, WATCH, services=SERVICES) as peripheral:
        yield peripheral


@pytest.fixture
async def central(air: Air) -> AsyncIterator[Central]:
    async with air.central() as central:
        yield central


@pytest.fixture
async def radio(central: Central) -> AsyncIterator[BleakRadio]:
    radio = BleakRadio(
        scanner_backend=central.scanner_backend,
        client_backend=central.client_backend,
        limits=LIMITS,
    )
    yield radio
    await radio.close()
