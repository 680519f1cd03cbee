"""Where the broker is, how to log in, and what it says when we are gone."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from gatewayd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form. Without `ca_file`, the system's certificate authorities count."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and how to log in."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    client_id: str = "gatewayd"
    keepalive_s: int = 60
    mqtt5: bool = True
    """False goes straight to MQTT 3.1.1, which is otherwise the fall-back."""

    timeout_s: float = 10.0
    """For each step of connecting, and for an answer to a subscription."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection breaks."""

    topic: str
    payload: bytes


def tls_context(tls: Tls | None) -> ssl.SSLContext | None:
    """A client's context; None without TLS. Raises ConfigError for files that cannot be used."""
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except OSError as error:  # which SSLError is
        raise ConfigError(
            [f"The broker's certificate files cannot be used: {error.strerror or error}"],
            "Check the paths in [mqtt.tls], and that they are PEM files",
        ) from error
    return context
