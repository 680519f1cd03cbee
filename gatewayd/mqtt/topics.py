"""Every topic that the gateway uses, in one place."""

from dataclasses import dataclass

ONLINE = b"online"
OFFLINE = b"offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """Names below the base topic, and below Home Assistant's discovery prefix."""

    base: str = "gatewayd"
    discovery_prefix: str = "homeassistant"

    @property
    def status(self) -> str:
        """Retained, and the will: whether the gateway is there."""
        return f"{self.base}/status"

    @property
    def info(self) -> str:
        """Retained: versions, digest of the configuration."""
        return f"{self.base}/bridge/info"

    @property
    def devices(self) -> str:
        """Retained: the list of devices with what they can do."""
        return f"{self.base}/bridge/devices"

    @property
    def event(self) -> str:
        """What happens to the gateway itself."""
        return f"{self.base}/bridge/event"

    def probe(self, client_id: str) -> str:
        """Where the gateway proves to itself that it may publish."""
        return f"{self.base}/bridge/probe/{client_id}"

    def availability(self, slug: str) -> str:
        """Retained: whether the watch is connected."""
        return f"{self.base}/{slug}/availability"

    def state(self, slug: str) -> str:
        """Retained: the latest values."""
        return f"{self.base}/{slug}/state"

    def reading(self, slug: str, kind: str) -> str:
        """Every reading of a kind."""
        return f"{self.base}/{slug}/reading/{kind}"

    def discovery(self, unique: str) -> str:
        """Home Assistant's device-based discovery."""
        return f"{self.discovery_prefix}/device/{unique}/config"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery_prefix}/status"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic falls under a filter (MQTT 5, section 4.7). Wildcards do not match topics
    that begin with `$` at the first level."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)
