"""One capture for all tests."""

import pytest

from tests.integration.trace.captures import Capture, capture


@pytest.fixture(scope="session")
def captured() -> Capture:
    """Two connections; the second one has no discovery of its own to rely on but the first's."""
    return capture(connections=2)
