import pytest

from tests.integration.gateway.remarks import REMARKS


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for remark in config.stash.get(REMARKS, []):
        terminalreporter.write_line(remark)
