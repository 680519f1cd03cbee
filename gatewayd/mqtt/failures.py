"""What a broker's refusals mean to an owner, in one line each. Pure: codes and exceptions in,
errors out."""

import socket
import ssl
from typing import Final

from gatewayd.errors import BrokerRefused, BrokerUnreachable, GatewayError

# MQTT 5, section 3.2.2.2. Brokers of MQTT 3.1.1 arrive here too: paho translates their codes.
_UNSUPPORTED_VERSION: Final = 0x84
_BAD_CLIENT_ID: Final = 0x85
_BAD_LOGIN: Final = 0x86
_NOT_AUTHORIZED: Final = 0x87
_SERVER_UNAVAILABLE: Final = 0x88
_SERVER_BUSY: Final = 0x89
_BANNED: Final = 0x8A

# MQTT 5, section 3.4.2.1
_PUBACK: Final = {
    0x87: "not authorized",
    0x90: "topic name invalid",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}


class ConnectionFailure(Exception):
    """A connection that did not come about. `version_in_doubt` when an older MQTT may work."""

    def __init__(self, error: GatewayError, *, version_in_doubt: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.version_in_doubt = version_in_doubt


def login_refused(where: str, username: str | None, code: int) -> ConnectionFailure:
    """The broker answered CONNECT with that reason code."""
    if code == _UNSUPPORTED_VERSION:
        return ConnectionFailure(
            BrokerRefused(
                f"The MQTT broker {where} speaks neither MQTT 5 nor 3.1.1", "Update the broker"
            ),
            version_in_doubt=True,
        )
    if code in (_BAD_LOGIN, _NOT_AUTHORIZED):
        who = "a login without user name" if username is None else f"the login of {username}"
        return ConnectionFailure(
            BrokerRefused(
                f"The MQTT broker {where} refuses {who}", "Check username and password in [mqtt]"
            )
        )
    if code == _BAD_CLIENT_ID:
        return ConnectionFailure(
            BrokerRefused(
                f"The MQTT broker {where} refuses our client id", "Choose another client_id"
            )
        )
    if code == _BANNED:
        return ConnectionFailure(
            BrokerRefused(f"The MQTT broker {where} has banned this client", "Check its log")
        )
    if code in (_SERVER_UNAVAILABLE, _SERVER_BUSY):
        return ConnectionFailure(
            BrokerUnreachable(f"The MQTT broker {where} is busy or starting", "Wait, or check it")
        )
    return ConnectionFailure(
        BrokerRefused(f"The MQTT broker {where} refuses the login (code {code})", "Check its log")
    )


def closed_during_login(where: str) -> ConnectionFailure:
    """The broker hung up before it answered CONNECT, as some do on a version they do not know."""
    return ConnectionFailure(
        BrokerUnreachable(
            f"{where} hangs up during the MQTT login",
            "Is that the port of an MQTT broker, and does it want TLS?",
        ),
        version_in_doubt=True,
    )


def silent_login(where: str) -> ConnectionFailure:
    """There is a connection, but no answer to CONNECT."""
    return ConnectionFailure(
        BrokerUnreachable(
            f"{where} does not answer the MQTT login",
            "Is that the port of an MQTT broker, and does it want TLS?",
        ),
        version_in_doubt=True,
    )


def connect_failure(where: str, cause: BaseException) -> ConnectionFailure:
    """There was no answer to CONNECT, or not even a connection."""
    match cause:
        case ssl.SSLCertVerificationError():
            summary = f"The certificate of the MQTT broker {where} is not trusted"
            what = f"{cause.verify_message}: set ca_file in [mqtt.tls] to the authority behind it"
        case ssl.SSLError():
            summary = f"No TLS connection to the MQTT broker {where} ({cause.reason})"
            what = "Does that port speak TLS, and does it want a client certificate?"
        case socket.gaierror():
            summary = f"The MQTT broker's host name in {where} is unknown"
            what = "Check host in [mqtt], and the name service"
        case ConnectionRefusedError():
            summary = f"Nothing listens at {where}"
            what = "Start the MQTT broker, or correct host and port in [mqtt]"
        case TimeoutError():
            summary = f"The MQTT broker {where} does not answer"
            what = "Check host, port and firewall"
        case OSError():
            summary = f"The MQTT broker {where} cannot be reached ({cause.strerror or cause})"
            what = "Check host in [mqtt], and the network"
        case _:
            return closed_during_login(where)
    return ConnectionFailure(BrokerUnreachable(summary, what))


def publish_refused(where: str, topic: str, username: str | None, reason: int) -> BrokerRefused:
    """The broker acknowledged a publish with a refusal."""
    who = "an anonymous client" if username is None else username
    why = _PUBACK.get(reason, f"code {reason}")
    return BrokerRefused(
        f"The MQTT broker {where} refuses what {who} publishes to {topic} ({why})",
        "Allow it in the broker's access list",
    )
