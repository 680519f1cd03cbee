"""Which protocol a device speaks, from what it says on air, when its owner did not say."""

import asyncio
from collections.abc import Sequence
from typing import Final

from gatewayd.core.ports import Radio
from gatewayd.errors import DeviceNotFound, ProtocolMismatch
from gatewayd.logs import get_logger
from protocols.spec import Advertisement, ProtocolSpec, best_match

_log = get_logger()
LISTEN_S: Final = 30.0


async def recognise(
    address: str, radio: Radio, specs: Sequence[ProtocolSpec], *, listen_s: float = LISTEN_S
) -> ProtocolSpec:
    """Listen until the device's advertisement matches a protocol.

    Raises DeviceNotFound when it is not heard, ProtocolMismatch when nothing matches or two
    protocols match equally well, and what scanning raises.
    """
    heard: Advertisement | None = None
    try:
        async with asyncio.timeout(listen_s), radio.advertisements() as advertisements:
            async for advertisement in advertisements:
                if advertisement.address == address:
                    heard = advertisement
                    spec = choose(advertisement, specs)
                    if spec is not None:
                        return spec
    except TimeoutError:
        pass
    if heard is None:
        raise DeviceNotFound(
            f"{address} was not heard within {listen_s:g} s",
            "Bring it closer; if a phone holds it, switch that phone's Bluetooth off.",
        )
    names = ", ".join(spec.name for spec in specs) or "none"
    raise ProtocolMismatch(
        f"{address} is on air, but matches no protocol ({names})",
        "Name its protocol in the configuration if you know it.",
    )


def choose(advertisement: Advertisement, specs: Sequence[ProtocolSpec]) -> ProtocolSpec | None:
    """The protocol that matches best. Raises ProtocolMismatch for a tie."""
    matches = best_match(advertisement, specs)
    if not matches:
        return None
    spec, match = matches[0]
    tied = [other.name for other, its in matches if its.score == match.score]
    if len(tied) > 1:
        raise ProtocolMismatch(
            f"{advertisement.address} matches {' and '.join(tied)} equally well",
            "Name its protocol in the configuration.",
        )
    _log.info(
        "recognised",
        device=advertisement.address,
        protocol=spec.name,
        score=match.score,
        reason=match.reason,
    )
    return spec
