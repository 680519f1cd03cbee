"""What an owner decides, as values. Defaults here are the defaults of the file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from protocols.model.catalog import Category
from protocols.session import Wearer

MQTT_PORT: Final = 1883
MQTT_TLS_PORT: Final = 8883

MqttProtocol = Literal["auto", "5", "3.1.1"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker, and who we are to it. `base_topic` is the root of all our topics."""

    host: str = "localhost"
    port: int = MQTT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    base_topic: str = "gatewayd"
    client_id: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: MqttProtocol = "auto"
    keepalive_s: int = 60


@dataclass(frozen=True, slots=True)
class HomeAssistantConfig:
    """Home Assistant's MQTT discovery; `prefix` is its discovery topic."""

    discovery: bool = True
    prefix: str = "homeassistant"


@dataclass(frozen=True, slots=True)
class BluetoothConfig:
    """BlueZ's adapter (None: its default one), or a Bumble HCI `transport` instead of BlueZ."""

    adapter: str | None = None
    transport: str | None = None


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The database file. Its directory also keeps this installation's identity."""

    path: Path


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`auto` is JSON, but console text on a terminal."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How often a watch that stays connected is asked, in minutes."""

    sync_every_min: int = 60
    battery_every_min: int = 360


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One watch. `address` is upper case; `name` is its slug in topics, unique.

    `collect` is the owner's consent, with `Category.DEVICE` always in it. `protocol` None lets the
    device be recognised, `timezone` None means the system's, `wearer` None sends no profile.
    """

    address: str
    name: str
    collect: frozenset[Category]
    protocol: str | None = None
    may_bind: bool = False
    pairing_code: str | None = field(default=None, repr=False)
    timezone: str | None = None
    wearer: Wearer | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything. `source` is the file it came from, None if none did.

    `user_id` None means the one that is kept beside the store; see `gatewayd.identity`.
    """

    store: StoreConfig
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    home_assistant: HomeAssistantConfig = field(default_factory=HomeAssistantConfig)
    bluetooth: BluetoothConfig = field(default_factory=BluetoothConfig)
    log: LogConfig = field(default_factory=LogConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    devices: tuple[DeviceConfig, ...] = ()
    user_id: str | None = field(default=None, repr=False)
    source: Path | None = None
