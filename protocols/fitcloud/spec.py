"""FitCloud's declaration. Source: transport-and-data.md §1.2; other-families.md §1.2."""

from typing import Final

from protocols.fitcloud.commands import SERVICE
from protocols.fitcloud.fit_sports import FIT_SPORT
from protocols.fitcloud.session import FitCloudSession
from protocols.observer import Observer, Scrubber
from protocols.session import Session, SessionSettings
from protocols.spec import Advertisement, Match, ProtocolSpec

COMPANIES: Final = {
    0x5448: "HT",
    0x4254: "TB",
    0x5A54: "TZ",
    0x5158: "XQ",
    0x525A: "ZR",
    0x435A: "ZC",
    0x425A: "ZB",
    0x505A: "ZP",
}
"""Company identifiers that the vendor's app accepts; the letters are their two bytes."""

PAYLOAD_MIN: Final = 9
MOYOUNG_SERVICE: Final = "0000feea-0000-1000-8000-00805f9b34fb"


def match(advertisement: Advertisement) -> Match | None:
    """A score below certainty, always: other families show the same service and numbers, so only
    a login that is answered settles it."""
    if MOYOUNG_SERVICE in advertisement.service_uuids:
        return None
    for company, letters in COMPANIES.items():
        payload = advertisement.manufacturer_data.get(company)
        if payload is not None and len(payload) >= PAYLOAD_MIN:
            project = payload[6:8].hex().upper()
            return Match(80, f"company identifier {company:#06x} ({letters}), project {project}")
    if SERVICE in advertisement.service_uuids:
        return Match(50, f"service {SERVICE}, which unrelated families show too")
    return None


def open_session(settings: SessionSettings) -> Session:
    """A session for one connection."""
    return FitCloudSession(settings)


def observe() -> Observer:
    """Reads along in a trace."""
    # a daemon never does, and need not hold the code for it
    from protocols.fitcloud.observer import FitCloudObserver  # noqa: PLC0415

    return FitCloudObserver()


def scrub() -> Scrubber:
    """Takes out of a trace what is nobody's business."""
    from protocols.fitcloud.scrub import FitCloudScrubber  # noqa: PLC0415

    return FitCloudScrubber()


SPEC: Final = ProtocolSpec(
    name="fitcloud",
    title="FitCloud (FitCloudPro, Topstep, HTSmart)",
    match=match,
    open_session=open_session,
    services=frozenset({SERVICE}),
    conformance="protocols.fitcloud.conformance",
    fit_sports=FIT_SPORT,
    observe=observe,
    scrub=scrub,
)
