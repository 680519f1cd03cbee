"""What an import costs and drags in, seen from a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROBE = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded(statement: str) -> set[str]:
    """Top-level names of the modules that a statement loads."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE.format(statement=statement)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in names}


HEAVY = {
    "aiomqtt",
    "amqtt",
    "apscheduler",
    "asyncio",
    "bleak",
    "bumble",
    "paho",
    "platformdirs",
    "sqlite3",
    "structlog",
}


@pytest.mark.parametrize(
    "statement",
    [
        "import gatewayd.cli.main",
        "import gatewayd.cli.run",
        "import gatewayd.cli.demo",
        "import gatewayd.cli.config",
        "import gatewayd.cli.protocol",
        "from gatewayd.cli.main import main; assert main(['frob']) == 2",
    ],
)
def test_a_command_line_loads_nothing_that_it_does_not_need(statement: str) -> None:
    assert not loaded(statement) & HEAVY


@pytest.mark.parametrize(
    "module", ["protocols.spec", "protocols.engine", "protocols.codec", "protocols.fitcloud.spec"]
)
def test_protocols_load_nothing_but_themselves_and_the_standard_library(module: str) -> None:
    # -S leaves out all installed packages: what is not in the standard library cannot load at all
    assert loaded(f"import {module}") <= {"protocols", *sys.stdlib_module_names}


def test_protocols_load_no_clock_loop_or_thread() -> None:
    banned = {"asyncio", "socket", "selectors", "logging", "sqlite3", "subprocess"}
    assert not loaded("import protocols.fitcloud.spec") & banned


def test_reading_a_configuration_loads_no_adapter() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement="import gatewayd.config")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not names & (HEAVY - {"platformdirs"})
