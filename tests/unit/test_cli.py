"""The command line: what each command says, and how it ends."""

import json
import subprocess
import sys
import tomllib
from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from gatewayd.cli import main as cli
from gatewayd.cli.main import COMMANDS, main
from gatewayd.errors import BrokerUnreachable, ConfigError, StoreDamaged

ROOT = Path(__file__).parents[2]

CONFIG = """
[mqtt]
password = "hush"

[wearer]
age_years = 44

[[devices]]
address = "C0:FF:EE:00:00:01"
name = "wrist"
collect = ["heart"]
pairing_code = "9876"
"""


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command that raises whatever `fails.error` is."""
    module = ModuleType("failing_command")

    def execute(_options: Namespace) -> int:
        error: BaseException = module.error
        raise error

    def configure(parser: ArgumentParser) -> None:
        parser.set_defaults(execute=execute)

    module.configure = configure
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "fail", cli.Command(module.__name__, "fail"))
    monkeypatch.delenv("GATEWAYD_DEBUG", raising=False)
    return module


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name}" in said
        assert command.summary in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: gatewayd {name}" in capsys.readouterr().out
    assert callable(import_module(COMMANDS[name].module).configure)


def test_no_command_is_a_mistake_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "commands:" in said.err


def test_a_misspelt_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rum"]) == 2
    assert capsys.readouterr().err == "gatewayd: there is no command rum. Did you mean run?\n"
    assert main(["zzz"]) == 2
    assert "See gatewayd --help." in capsys.readouterr().err


def test_the_version_is_the_one_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "1.2.3")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "gatewayd 1.2.3\n"


def test_a_known_error_is_one_line_with_its_remedy_and_status(
    fails: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fails.error = BrokerUnreachable("no broker at host:1883", "Start it.")
    assert main(["fail"]) == 69
    assert capsys.readouterr().err == "gatewayd: no broker at host:1883. Start it.\n"
    fails.error = StoreDamaged("the store is torn")
    assert main(["fail"]) == 74
    assert capsys.readouterr().err == "gatewayd: the store is torn.\n"


def test_configuration_errors_are_a_line_each(
    fails: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fails.error = ConfigError(["c.toml:1: a: wrong", "c.toml:2: b: wrong"], "Mend it.")
    assert main(["fail"]) == 78
    assert capsys.readouterr().err.splitlines() == [
        "gatewayd: c.toml:1: a: wrong",
        "gatewayd: c.toml:2: b: wrong",
        "gatewayd: Mend it.",
    ]


def test_a_group_ends_as_its_gravest_error_does(fails: ModuleType) -> None:
    fails.error = ExceptionGroup("g", [BrokerUnreachable("x"), StoreDamaged("y")])
    assert main(["fail"]) == 74
    fails.error = ExceptionGroup("g", [BrokerUnreachable("x"), KeyError("y")])
    assert main(["fail"]) == 70


def test_a_bug_is_named_by_its_place_and_not_by_what_it_holds(
    fails: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails.error = ValueError("72 bpm at home")
    assert main(["fail"]) == 70
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith("gatewayd: this is a bug: ValueError in ")
    assert "72 bpm" not in said
    monkeypatch.setenv("GATEWAYD_DEBUG", "1")
    assert main(["fail"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(fails: ModuleType) -> None:
    fails.error = KeyboardInterrupt()
    assert main(["fail"]) == 130


def test_a_reader_that_goes_away_is_no_bug() -> None:
    source = "import sys; from gatewayd.cli.main import main; sys.exit(main(['protocol', 'list']))"
    with subprocess.Popen(
        [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(30) == 141


def test_a_good_configuration_is_called_good(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "--config", str(config_file)]) == 0
    assert capsys.readouterr().out == f"{config_file}: good, with 1 device\n"


def test_a_bad_configuration_is_told_line_by_line(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text("[mqtt]\nhots = 1\n")
    assert main(["config", "check", "--config", str(config_file)]) == 78
    assert capsys.readouterr().err == (
        f'gatewayd: {config_file}:2: mqtt.hots: unknown key; did you mean "host"?\n'
    )


def test_the_shown_configuration_is_toml_without_secrets(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--config", str(config_file)]) == 0
    said = capsys.readouterr().out
    # a path may hold any digits
    without_paths = [line for line in said.splitlines() if "/" not in line]
    for secret in ("hush", "9876", "44", "C0:FF"):
        assert not any(secret in line for line in without_paths)
    got = tomllib.loads(said)
    assert got["mqtt"]["password"] == "***"
    assert got["mqtt"]["port"] == 1883
    assert got["devices"] == [
        {
            "address": "…00:01",
            "name": "wrist",
            "collect": ["device", "heart"],
            "may_bind": False,
            "pairing_code": "***",
            "wearer": "***",
        }
    ]
    assert main(["config", "show", "--json", "--config", str(config_file)]) == 0
    assert json.loads(capsys.readouterr().out) == got


def test_protocols_are_listed_one_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib.metadata import EntryPoint

    points = [
        EntryPoint("fitcloud", "protocols.fitcloud.spec:SPEC", "gatewayd.protocols"),
        EntryPoint("lost", "no_such_module:SPEC", "gatewayd.protocols"),
    ]
    monkeypatch.setattr("gatewayd.plugins.entry_points", lambda **_group: points)
    assert main(["protocol", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["status"]) for row in rows] == [
        ("fitcloud", "ready"),
        ("lost", "broken"),
    ]
    assert main(["protocol", "list"]) == 0
    assert "lost      broken: ModuleNotFoundError" in capsys.readouterr().out


def test_run_ends_with_the_configurations_status_when_that_is_bad(tmp_path: Path) -> None:
    assert main(["run", "--config", str(tmp_path / "none.toml")]) == 78


@pytest.mark.parametrize("days", ["0", "31", "-1", "many"])
def test_the_demo_refuses_an_impossible_history(days: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--days", days])
    assert ended.value.code == 2
