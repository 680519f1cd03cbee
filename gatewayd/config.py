"""The configuration: one TOML file, read strictly, with all its faults reported at once.

The file is the one named on the command line, else by `$GATEWAYD_CONFIG`, else the first that
exists of systemd's configuration directory, the user's, and the system's.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args
from urllib.parse import unquote, urlsplit

import platformdirs

from gatewayd.config_models import (
    MQTT_PORT,
    MQTT_TLS_PORT,
    BluetoothConfig,
    Config,
    DeviceConfig,
    HomeAssistantConfig,
    LogConfig,
    LogFormat,
    LogLevel,
    MqttConfig,
    MqttProtocol,
    ScheduleConfig,
    StoreConfig,
)
from gatewayd.config_table import Findings, Table, line_numbers, near
from gatewayd.errors import ConfigError
from protocols.model.catalog import Category
from protocols.session import Wearer

__all__ = [
    "BluetoothConfig",
    "Config",
    "DeviceConfig",
    "HomeAssistantConfig",
    "LogConfig",
    "MqttConfig",
    "ScheduleConfig",
    "StoreConfig",
    "candidates",
    "load",
    "locate",
    "parse",
    "state_directory",
]

FILE_NAME: Final = "config.toml"
DATABASE_NAME: Final = "gatewayd.db"
CREDENTIAL: Final = "mqtt.password"
"""Name of the systemd credential that is the broker's password, if there is one."""

MINUTES_PER_WEEK: Final = 7 * 24 * 60
MAX_FILE_BYTES: Final = 1 << 20
MAX_SECRET_BYTES: Final = 4096

_ADDRESS: Final = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}"
_SLUG: Final = r"[a-z0-9_-]{1,40}"
_TOPIC_HINT: Final = "a topic: no wildcards, no leading or trailing /"
_TOPIC: Final = r"[^+#$/\x00]+(/[^+#/\x00]+)*"
_USER_ID: Final = r"[A-Za-z0-9._-]{1,28}"
"""At most 28 bytes, which is what the FitCloud family's identity holds."""

_RESERVED_NAMES: Final = ("bridge", "status")
"""What stands beside the devices under the base topic."""

_MQTT: Final = MqttConfig()
_HOME_ASSISTANT: Final = HomeAssistantConfig()
_LOG: Final = LogConfig()
_SCHEDULE: Final = ScheduleConfig()
_WEARER: Final = Wearer()


def load(explicit: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Find the file and read it. Raises ConfigError."""
    source = locate(explicit, environ)
    try:
        with source.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError([f"{source}: larger than {MAX_FILE_BYTES} bytes"])
        text = content.decode()
    except OSError as error:
        raise ConfigError(
            [f"{source}: cannot be read ({error.strerror})"],
            "Check that the file exists and that this user may read it.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{source}: is not UTF-8 text"]) from error
    return parse(text, source, environ)


def locate(explicit: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file to read. Raises ConfigError when there is none."""
    if explicit is not None:
        return explicit
    if named := environ.get("GATEWAYD_CONFIG"):
        return Path(named)
    places = candidates(environ)
    for place in places:
        if place.is_file():
            return place
    searched = ", ".join(str(place) for place in places)
    raise ConfigError(
        [f"no configuration file found (looked for {searched})"],
        "Create one, or name it with --config.",
    )


def candidates(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where a file is looked for, in order."""
    directories = [
        Path(platformdirs.user_config_dir("gatewayd")),
        Path("/etc/gatewayd"),
        Path(platformdirs.site_config_dir("gatewayd")),
    ]
    if given := _first(environ.get("CONFIGURATION_DIRECTORY")):
        directories.insert(0, given)
    return list(dict.fromkeys(directory / FILE_NAME for directory in directories))


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where state lives unless the file says otherwise: systemd's choice, else the user's."""
    return _first(environ.get("STATE_DIRECTORY")) or Path(platformdirs.user_state_dir("gatewayd"))


def parse(text: str, source: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a file's text. Raises ConfigError with every problem found."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{source}: {error}"]) from error
    findings = Findings(source, line_numbers(text))
    root = Table(values, (), findings)
    wearer = root.table("wearer")
    config = Config(
        store=_store(root.table("store"), environ),
        mqtt=_mqtt(root.table("mqtt"), environ),
        home_assistant=_home_assistant(root.table("home_assistant")),
        bluetooth=_bluetooth(root.table("bluetooth")),
        log=_log(root.table("log")),
        schedule=_schedule(root.table("schedule")),
        devices=_devices(root.tables("devices"), _wearer(wearer, None)),
        user_id=root.text(
            "user_id", pattern=_USER_ID, hint="1 to 28 letters, digits, dots, - or _"
        ),
        source=source,
    )
    root.close()
    if findings.problems:
        found = sorted(findings.problems, key=lambda problem: problem.line or 0)
        raise ConfigError([str(problem) for problem in found])
    return config


def _first(directories: str | None) -> Path | None:
    """Several directories come joined with colons (systemd.exec); the first is ours."""
    return Path(directories.split(":")[0]) if directories else None


def _store(table: Table, environ: Mapping[str, str]) -> StoreConfig:
    path = table.path("path") or state_directory(environ) / DATABASE_NAME
    table.close()
    return StoreConfig(path)


def _mqtt(table: Table, environ: Mapping[str, str]) -> MqttConfig:
    url = _url(table)
    tls = table.flag("tls", default=url.tls)
    config = MqttConfig(
        host=table.text("host", pattern=r"\S+", hint="a host name") or url.host,
        port=table.integer(
            "port",
            default=url.port or (MQTT_TLS_PORT if tls else MQTT_PORT),
            low=1,
            high=65535,
        ),
        username=table.text("username") or url.username,
        password=_password(table, environ) or url.password,
        base_topic=table.text("base_topic", pattern=_TOPIC, hint=_TOPIC_HINT) or _MQTT.base_topic,
        client_id=table.text(
            "client_id", pattern=r"[\x21-\x7e]{1,64}", hint="1 to 64 characters without spaces"
        ),
        tls=tls,
        ca_file=_file(table, "ca_file"),
        cert_file=_file(table, "cert_file"),
        key_file=_file(table, "key_file"),
        protocol=cast(
            "MqttProtocol",
            table.choice("protocol", get_args(MqttProtocol), default=_MQTT.protocol),
        ),
        keepalive_s=table.integer("keepalive_s", default=_MQTT.keepalive_s, low=5, high=65535),
    )
    for key in ("ca_file", "cert_file", "key_file"):
        if key in table and not tls:
            table.problem(key, "has no effect without tls = true")
    if ("cert_file" in table) != ("key_file" in table):
        table.problem(None, "needs both cert_file and key_file, or neither")
    table.close()
    return config


@dataclass(frozen=True, slots=True)
class _Url:
    """What `url = "mqtt://user@host:1883"` says."""

    host: str = _MQTT.host
    port: int | None = None
    username: str | None = None
    password: str | None = None
    tls: bool = False


def _url(table: Table) -> _Url:
    text = table.secret("url")  # it may hold a password
    if text is None:
        return _Url()
    for key in ("host", "port", "username", "tls"):
        if key in table:
            table.problem(key, "is given twice: url says it already")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        table.problem("url", "is not a URL such as mqtt://user@host:1883")
        return _Url()
    if url.scheme not in {"mqtt", "mqtts"} or not url.hostname or url.path.strip("/") or url.query:
        table.problem("url", "must have the form mqtt://user@host:1883 (mqtts:// for TLS)")
        return _Url()
    return _Url(
        host=url.hostname,
        port=port,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        tls=url.scheme == "mqtts",
    )


def _password(table: Table, environ: Mapping[str, str]) -> str | None:
    """From the file, a file beside it, or a systemd credential; systemd's is found by itself."""
    given = [key for key in ("password", "password_file", "credential") if key in table]
    for key in given[1:]:
        table.problem(key, f"is given twice: {given[0]} says it already")
    password = table.secret("password")
    path = table.path("password_file")
    credential = table.text("credential", pattern=r"[\w.-]+", hint="the name of a credential")
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if password is not None:
        return password
    if path is not None:
        return _secret_file(table, "password_file", path)
    if credential is not None:
        if directory is None:
            table.problem("credential", "systemd passed no credentials: this is not its service")
            return None
        return _secret_file(table, "credential", Path(directory, credential))
    if directory is not None and (automatic := Path(directory, CREDENTIAL)).is_file():
        return _secret_file(table, None, automatic)
    return None


def _secret_file(table: Table, key: str | None, path: Path) -> str | None:
    """The first line of a file. An empty one is no secret."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES).decode()
    except OSError as error:
        table.problem(key, f"{path} cannot be read ({error.strerror})")
        return None
    except UnicodeDecodeError:
        table.problem(key, f"{path} is not UTF-8 text")
        return None
    return content.partition("\n")[0].rstrip("\r") or None


def _file(table: Table, key: str) -> Path | None:
    path = table.path(key)
    if path is not None and not path.is_file():
        table.problem(key, f"{path} does not exist")
    return path


def _home_assistant(table: Table) -> HomeAssistantConfig:
    config = HomeAssistantConfig(
        discovery=table.flag("discovery", default=_HOME_ASSISTANT.discovery),
        prefix=table.text("prefix", pattern=_TOPIC, hint=_TOPIC_HINT) or _HOME_ASSISTANT.prefix,
    )
    table.close()
    return config


def _bluetooth(table: Table) -> BluetoothConfig:
    config = BluetoothConfig(
        adapter=table.text("adapter", pattern=r"hci[0-9]{1,3}", hint="an adapter such as hci0"),
        transport=table.text(
            "transport", pattern=r"[a-z-]+(:.+)?", hint="an HCI transport such as usb:0"
        ),
    )
    if "adapter" in table and "transport" in table:
        table.problem("transport", "excludes adapter: it takes the place of BlueZ")
    table.close()
    return config


def _log(table: Table) -> LogConfig:
    config = LogConfig(
        level=cast("LogLevel", table.choice("level", get_args(LogLevel), default=_LOG.level)),
        format=cast("LogFormat", table.choice("format", get_args(LogFormat), default=_LOG.format)),
    )
    table.close()
    return config


def _schedule(table: Table) -> ScheduleConfig:
    config = ScheduleConfig(
        sync_every_min=table.integer(
            "sync_every_min", default=_SCHEDULE.sync_every_min, low=1, high=MINUTES_PER_WEEK
        ),
        battery_every_min=table.integer(
            "battery_every_min", default=_SCHEDULE.battery_every_min, low=1, high=MINUTES_PER_WEEK
        ),
    )
    table.close()
    return config


def _devices(tables: Sequence[Table], wearer: Wearer | None) -> tuple[DeviceConfig, ...]:
    devices: list[DeviceConfig] = []
    for table in tables:
        address = table.required_text(
            "address", pattern=_ADDRESS, hint="a Bluetooth address such as C0:FF:EE:00:00:01"
        )
        name = table.required_text(
            "name", pattern=_SLUG, hint="1 to 40 of a-z, 0-9, - and _ (it becomes a topic)"
        )
        device = DeviceConfig(
            address=(address or "").upper(),
            name=name or "",
            collect=_consent(table),
            protocol=table.text("protocol"),
            may_bind=table.flag("may_bind", default=False),
            pairing_code=table.secret("pairing_code"),
            timezone=_timezone(table),
            wearer=_wearer(table.table("profile"), wearer),
        )
        if name in _RESERVED_NAMES:
            table.problem("name", f'"{name}" is a topic of the gateway itself; choose another')
        if any(device.address == other.address for other in devices if address):
            table.problem("address", f"{device.address} is listed twice")
        if any(device.name == other.name for other in devices if name):
            table.problem("name", f'"{name}" names two devices')
        table.close()
        devices.append(device)
    return tuple(devices)


def _consent(table: Table) -> frozenset[Category]:
    """Nothing is collected that is not listed, so the list must be there, even if empty."""
    choices = [category.value for category in Category if category is not Category.DEVICE]
    if "collect" not in table:
        table.problem(None, f'lacks "collect": the list of what may be read ({", ".join(choices)})')
    words = table.words("collect", choices=choices) or ()
    return frozenset({Category.DEVICE, *(Category(word) for word in words)})


def _timezone(table: Table) -> str | None:
    name = table.text("timezone")
    if name is None:
        return None
    import zoneinfo  # noqa: PLC0415  (10 ms that most files do not need)

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        suggestion = near(name, zoneinfo.available_timezones())
        table.problem("timezone", f'"{name}" is not a time zone such as Europe/Berlin{suggestion}')
        return None
    return name


def _wearer(table: Table, default: Wearer | None) -> Wearer | None:
    """A profile; what it leaves out is taken from the default one. None if neither exists."""
    base = default or _WEARER
    sex = "male" if base.male else "female"
    wearer = Wearer(
        male=table.choice("sex", ("male", "female"), default=sex) == "male",
        age_years=table.integer("age_years", default=base.age_years, low=5, high=120),
        height_cm=table.number("height_cm", default=base.height_cm, low=50, high=250),
        weight_kg=table.number("weight_kg", default=base.weight_kg, low=10, high=300),
    )
    table.close()
    return wearer if table.given else default
