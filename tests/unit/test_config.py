"""The configuration file: what is accepted, and how faults are told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd import config
from gatewayd.config import Config, ConfigError
from gatewayd.config_table import line_numbers, near
from protocols.model.catalog import Category
from protocols.session import Wearer

SOURCE = Path("/etc/gatewayd/config.toml")

FULL = """
user_id = "house-1"

[mqtt]
host = "broker.lan"
port = 1884
username = "me"
password = "hush"
base_topic = "home/watches"
client_id = "gw"
protocol = "3.1.1"
keepalive_s = 30

[home_assistant]
discovery = false
prefix = "ha"

[bluetooth]
adapter = "hci1"

[store]
path = "/var/lib/gatewayd/x.db"

[log]
level = "debug"
format = "json"

[schedule]
sync_every_min = 15
battery_every_min = 30

[wearer]
sex = "female"
age_years = 41

[[devices]]
address = "c0:ff:ee:00:00:01"
name = "left-wrist"
protocol = "fitcloud"
collect = ["heart", "sleep"]
may_bind = true
pairing_code = "1234"
timezone = "Europe/Berlin"
profile = { height_cm = 163.5 }

[[devices]]
address = "C0:FF:EE:00:00:02"
name = "right-wrist"
collect = []
"""


def read(text: str, environ: dict[str, str] | None = None) -> Config:
    return config.parse(text, SOURCE, environ or {"STATE_DIRECTORY": "/var/lib/gatewayd"})


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, environ)
    return [problem.removeprefix(f"{SOURCE}") for problem in caught.value.problems]


def device(extra: str = "", collect: str = '["heart"]') -> str:
    return (
        '[[devices]]\naddress = "C0:FF:EE:00:00:01"\nname = "wrist"\n'
        f"collect = {collect}\n{extra}\n"
    )


def test_every_key_arrives_where_it_belongs() -> None:
    got = read(FULL)
    assert got.source == SOURCE
    assert got.user_id == "house-1"
    assert (got.mqtt.host, got.mqtt.port, got.mqtt.username) == ("broker.lan", 1884, "me")
    assert (got.mqtt.password, got.mqtt.client_id) == ("hush", "gw")
    assert (got.mqtt.base_topic, got.mqtt.protocol, got.mqtt.keepalive_s) == (
        "home/watches",
        "3.1.1",
        30,
    )
    assert (got.home_assistant.discovery, got.home_assistant.prefix) == (False, "ha")
    assert got.bluetooth.adapter == "hci1"
    assert got.store.path == Path("/var/lib/gatewayd/x.db")
    assert (got.log.level, got.log.format) == ("debug", "json")
    assert (got.schedule.sync_every_min, got.schedule.battery_every_min) == (15, 30)
    left, right = got.devices
    assert (left.address, left.name, left.protocol) == (
        "C0:FF:EE:00:00:01",
        "left-wrist",
        "fitcloud",
    )
    assert left.collect == {Category.DEVICE, Category.HEART, Category.SLEEP}
    assert (left.may_bind, left.pairing_code, left.timezone) == (True, "1234", "Europe/Berlin")
    assert left.wearer == Wearer(male=False, age_years=41, height_cm=163.5, weight_kg=70.0)
    assert right.collect == {Category.DEVICE}
    assert right.wearer == Wearer(male=False, age_years=41)
    assert not right.may_bind


def test_an_empty_file_means_the_defaults_and_sends_no_profile() -> None:
    got = read("")
    assert got == Config(store=got.store, source=SOURCE)
    assert got.store.path == Path("/var/lib/gatewayd/gatewayd.db")
    assert read(device()).devices[0].wearer is None


CATEGORIES = (
    "activity, heart, sleep, workout, location, oxygen, blood_pressure, respiration,"
    " temperature, stress, mood, ecg, game"
)


def test_all_faults_are_reported_at_once_each_with_its_line_and_key() -> None:
    text = """[mqtt]
prot = 1883
port = 70000
keepalive_s = "soon"

[log]
level = "verbose"

[[devices]]
address = "nonsense"
name = "Left Wrist"
collect = ["hart", 3]

[[devices]]
address = "C0:FF:EE:00:00:01"
colect = ["heart"]
name = "x"
may_bind = "yes"

[mqqt]
"""
    assert problems(text) == [
        ':2: mqtt.prot: unknown key; did you mean "port"?',
        ":3: mqtt.port: 70000 is out of range (1 to 65535)",
        ":4: mqtt.keepalive_s: must be a whole number, not text",
        ':7: log.level: "verbose" is not one of debug, info, warning, error',
        ':10: devices[1].address: "nonsense" is not a Bluetooth address such as C0:FF:EE:00:00:01',
        (
            ':11: devices[1].name: "Left Wrist" is not 1 to 40 of a-z, 0-9, - and _'
            " (it becomes a topic)"
        ),
        (f':12: devices[1].collect: "hart" is not one of {CATEGORIES}; did you mean "heart"?'),
        ":12: devices[1].collect: must hold only text in quotes, not a number",
        (f':14: devices[2]: lacks "collect": the list of what may be read ({CATEGORIES})'),
        ':16: devices[2].colect: unknown key; did you mean "collect"?',
        ":18: devices[2].may_bind: must be true or false, not text",
        ':20: mqqt: unknown key; did you mean "mqtt"?',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mqtt", ": Expected"),
        ("mqtt = 1", ":1: mqtt: must be a table, not a number"),
        ("devices = 1", ":1: devices: must be written as [[devices]], once for each"),
        ('[mqtt]\nbase_topic = "a/#"', ':2: mqtt.base_topic: "a/#" is not a topic'),
        ('[mqtt]\nbase_topic = "a/"', ':2: mqtt.base_topic: "a/" is not a topic'),
        ('[mqtt]\nca_file = "/nowhere/ca.pem"\ntls = true', ":2: mqtt.ca_file: /nowhere/ca.pem"),
        (f'[mqtt]\nca_file = "{__file__}"', ":2: mqtt.ca_file: has no effect without tls"),
        ('[mqtt]\nurl = "http://x"', ":2: mqtt.url: must have the form mqtt://"),
        ('[mqtt]\nurl = "mqtt://x:99999"', ":2: mqtt.url: is not a URL"),
        ('[mqtt]\nurl = "mqtt://x"\nport = 1', ":3: mqtt.port: is given twice"),
        ('[mqtt]\npassword = "a"\npassword_file = "b"', ":3: mqtt.password_file: is given twice"),
        ('[mqtt]\npassword = ""', ":2: mqtt.password: is empty"),
        ('[mqtt]\npassword_file = "none"', ":2: mqtt.password_file: /etc/gatewayd/none cannot be"),
        ('[mqtt]\ncredential = "a"', ":2: mqtt.credential: systemd passed no credentials"),
        ('[bluetooth]\nadapter = "usb0"', ":2: bluetooth.adapter:"),
        ('[bluetooth]\nadapter = "hci0"\ntransport = "usb:0"', ":3: bluetooth.transport: excludes"),
        ('user_id = "a b"', ":1: user_id:"),
        ("[wearer]\nage_years = true", ":2: wearer.age_years: must be a whole number"),
        ("[wearer]\nweight_kg = 5", ":2: wearer.weight_kg: 5 is out of range (10 to 300)"),
        ("[schedule]\nsync_every_min = 0", ":2: schedule.sync_every_min: 0 is out of range"),
        (device('timezone = "Europe/Berln"'), ':5: devices[1].timezone: "Europe/Berln" is not a'),
        (device('timezone = "../etc"'), ':5: devices[1].timezone: "../etc" is not a time zone'),
        (device(collect='"heart"'), ":4: devices[1].collect: must be a list, not text"),
        (device() + device(), ":7: devices[2].address: C0:FF:EE:00:00:01 is listed twice"),
        (device().replace("wrist", "bridge"), ':3: devices[1].name: "bridge" is a topic of'),
        ("[[devices]]", ':1: devices[1]: lacks "address"'),
    ],
)
def test_a_fault_names_its_place_and_what_is_wrong(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_a_misspelt_time_zone_is_suggested_in_its_own_spelling() -> None:
    assert problems(device('timezone = "europe/berln"'))[0].endswith(
        'did you mean "Europe/Berlin"?'
    )


@pytest.mark.parametrize(
    ("url", "host", "port", "username", "password", "tls"),
    [
        ("mqtt://me@broker.lan", "broker.lan", 1883, "me", None, False),
        ("mqtts://broker.lan/", "broker.lan", 8883, None, None, True),
        ("mqtt://a%40b:p%2Fw@[::1]:99", "::1", 99, "a@b", "p/w", False),
    ],
)
def test_a_url_says_the_same_as_the_keys(
    url: str, host: str, port: int, username: str | None, password: str | None, *, tls: bool
) -> None:
    got = read(f'[mqtt]\nurl = "{url}"').mqtt
    assert (got.host, got.port, got.username, got.password, got.tls) == (
        host,
        port,
        username,
        password,
        tls,
    )


def test_tls_changes_the_usual_port() -> None:
    assert read("[mqtt]\ntls = true").mqtt.port == 8883


def test_the_password_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\nnot this\n")
    text = '[mqtt]\npassword_file = "secret"'
    assert config.parse(text, tmp_path / "config.toml", {}).mqtt.password == "hush"


def test_a_systemd_credential_is_found_by_itself_and_an_empty_one_is_none(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read("", environ).mqtt.password is None
    (tmp_path / "mqtt.password").write_text("")
    assert read("", environ).mqtt.password is None
    (tmp_path / "mqtt.password").write_text("hush\n")
    assert read("", environ).mqtt.password == "hush"
    assert read('[mqtt]\npassword = "own"', environ).mqtt.password == "own"
    assert problems('[mqtt]\ncredential = "other"', environ)[0].startswith(":2: mqtt.credential: ")


def test_no_secret_shows_in_repr_or_in_a_problem() -> None:
    shown = repr(read(FULL))
    for secret in ("hush", "1234", "house-1", "163.5"):
        assert secret not in shown
    told = problems('[mqtt]\nurl = "ftp://me:hush@host"\npassword = 12345')
    assert not any("hush" in problem or "12345" in problem for problem in told)


def test_the_file_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    user = tmp_path / "user/gatewayd/config.toml"
    service = tmp_path / "service/config.toml"
    environ = {"CONFIGURATION_DIRECTORY": str(service.parent)}
    assert config.candidates(environ)[:2] == [service, user]
    for path in (user, service):
        path.parent.mkdir(parents=True)
        path.write_text("")
    assert config.locate(None, environ) == service
    assert config.locate(None, {}) == user
    assert config.locate(None, {"GATEWAYD_CONFIG": "named.toml"}) == Path("named.toml")
    assert config.locate(Path("given.toml"), {"GATEWAYD_CONFIG": "named.toml"}) == Path(
        "given.toml"
    )


def test_without_any_file_the_error_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "candidates", lambda _environ: [tmp_path / "none.toml"])
    with pytest.raises(ConfigError, match=r"looked for .*none\.toml") as caught:
        config.load(None, {})
    assert caught.value.exit_code == 78


def test_a_file_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="No such file"):
        config.load(path, {})
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        config.load(path, {})
    path.write_bytes(b"#" * (config.MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        config.load(path, {})


def test_lines_are_found_through_text_over_several_lines_and_nested_tables() -> None:
    text = 'a = """\n[no]\nb = 1\n"""\n[[d]]\n[d.e]\nf = 1\n[[d]]\n[d.e]\n"f" = 2\nx.y = 3\n'
    lines = line_numbers(text)
    assert lines[("a",)] == 1
    assert ("no",) not in lines
    assert lines[("d", 0, "e", "f")] == 7
    assert lines[("d", 1, "e", "f")] == 10
    assert lines[("d", 1, "e", "x", "y")] == 11


def test_nothing_is_suggested_for_a_word_that_resembles_none() -> None:
    assert near("zzz", ["heart", "sleep"]) == ""


values = st.recursive(
    st.booleans() | st.integers(-9, 99999) | st.text("ab/:#", max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
keys = st.sampled_from(["host", "port", "url", "password", "base_topic", "collect", "name", "tls"])


@given(section=st.sampled_from(["mqtt", "log", "[devices]"]), pairs=st.dictionaries(keys, values))
def test_whatever_is_written_is_a_configuration_or_a_configuration_error(
    section: str, pairs: dict[str, object]
) -> None:
    spelt = [f"{key} = {_spell(value)}" for key, value in pairs.items()]
    try:
        read("\n".join([f"[{section}]", *spelt]))
    except ConfigError as error:
        told = error.problems
    else:
        told = ("nothing",)
    assert all(told)
    assert told


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_spell(item) for item in value)}]"
    return str(value) if isinstance(value, int) else f'"{value}"'
