"""Pytest plug-in: traces with golden results, the virtual watch on air, and conformance.

The other half of the kit is `protocols.testing.plugin`, and the manual is beside that. The same
rules hold here: cheap to load, and inert for tests that do not ask for it.
"""

import importlib.util
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from gatewayd.testing.options import CONFORMANCE, CONFORMANCE_MARK, UPDATE
from protocols.testing.plugin import files_for, wants

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # nobody can await them then, and `_needs_air` says so first
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from gatewayd.ble.bluez import BleakRadio
    from gatewayd.testing.traces import TraceCase
    from gatewayd.virtual.air import Air
    from gatewayd.virtual.peripheral import Peripheral
    from protocols.testing.virtual_watch import VirtualWatch


# --- hooks ------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings."""
    group = parser.getgroup("protocols", "Bluetooth LE protocols")
    group.addoption(
        CONFORMANCE,
        action="store_true",
        help="also test every protocol that is installed: its vectors and traces, noise, splits,"
        " broken links (only that: -m protocol_conformance; only one: -k NAME)",
    )
    parser.addini(
        "protocol_traces",
        "traces for tests that take `trace` without a mark",
        type="paths",
        default=[],
    )


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> None:
    """The option that a project is most likely to have itself comes after those of its conftest;
    then theirs stands for both."""
    group = parser.getgroup("protocols")
    try:
        group.addoption(UPDATE, action="store_true", help="write the golden results of traces anew")
    except ValueError:
        return


def pytest_configure(config: pytest.Config) -> None:
    """The marks."""
    config.addinivalue_line(
        "markers",
        "traces(*globs, protocol=None, zone=None): run the test for each of these captured traces"
        " (relative to the test's own file); the argument `trace` holds it",
    )
    config.addinivalue_line(
        "markers", f"{CONFORMANCE_MARK}: what {CONFORMANCE} adds to the tests of a project"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `trace` runs for each."""
    if not wants(metafunc, "trace"):
        return
    mark = metafunc.definition.get_closest_marker("traces")
    paths = files_for(metafunc, mark, "protocol_traces")
    if paths is None:
        return
    from gatewayd.testing.traces import TraceCase, is_trace

    options = {} if mark is None else mark.kwargs
    update = bool(metafunc.config.getoption(UPDATE, default=False))
    try:
        cases = [TraceCase(path, **options, update=update) for path in paths if is_trace(path)]
    except TypeError as error:
        pytest.fail(f"@pytest.mark.traces: {error}", pytrace=False)
    if not cases:
        pytest.fail("these files hold no trace", pytrace=False)
    metafunc.parametrize("trace", cases, ids=[case.path.name for case in cases], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Conformance comes before the selection by -k and -m."""
    if config.getoption(CONFORMANCE, default=False):
        from gatewayd.testing.conformance import Protocols

        root = Protocols.from_parent(session, name="protocols", nodeid="protocols")
        items.extend(session.genitems(root))


# --- fixtures ---------------------------------------------------------------------------------


@pytest.fixture
def trace(request: pytest.FixtureRequest) -> "TraceCase":
    """One captured trace: `trace.check()` compares it with its golden result, `trace.readings`,
    `trace.events` and `trace.of(HeartRate)` are what it means. See the mark `traces`."""
    case: TraceCase | None = getattr(request, "param", None)
    if case is None:
        pytest.fail('which traces? Mark the test: @pytest.mark.traces("traces/*")', pytrace=False)
    return case.fresh()


@pytest.fixture
def _needs_air(request: pytest.FixtureRequest) -> None:
    """Skips where the parts of a virtual radio are missing."""
    if importlib.util.find_spec("bumble") is None:
        pytest.skip("the virtual radio is made of Bumble: pip install 'gatewayd[demo]'")
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.skip("the virtual radio needs an event loop: pip install pytest-asyncio")


@pytest.fixture
def air(_needs_air: None) -> "Air":
    """The room that watch and radio are in: `gatewayd.virtual.air.Air`."""
    from gatewayd.virtual.air import Air

    return Air()


@async_fixture
async def watch_on_air(air: "Air", virtual_watch: "VirtualWatch") -> AsyncIterator["Peripheral"]:
    """`virtual_watch` with a controller of its own, advertising. `wake()` it after something
    happened on the wrist."""
    from gatewayd.virtual.peripheral import on_air

    watch = virtual_watch
    async with on_air(air, watch, watch.advertisement, services=watch.services) as peripheral:
        yield peripheral


@async_fixture
async def radio(air: "Air") -> AsyncIterator["BleakRadio"]:
    """The production radio, in the same room as `watch_on_air`."""
    from gatewayd.ble.bluez import BleakRadio

    async with air.central() as central:
        radio = BleakRadio(
            scanner_backend=central.scanner_backend, client_backend=central.client_backend
        )
        yield radio
        await radio.close()
