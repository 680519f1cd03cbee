"""Which advertisements look like a watch of this family. Source: §1.2."""

import pytest

from protocols.fitcloud.commands import SERVICE
from protocols.fitcloud.session import FitCloudSession
from protocols.fitcloud.spec import COMPANIES, MOYOUNG_SERVICE, SPEC, match
from protocols.session import SessionSettings
from protocols.spec import API, CERTAIN, Advertisement, best_match
from protocols.testing.virtual_watch import MODERN

PAYLOAD = bytes.fromhex("c0ffee000001 0136 01")


def seen(
    manufacturer_data: dict[int, bytes] | None = None, services: frozenset[str] = frozenset()
) -> Advertisement:
    return Advertisement(
        "C0:FF:EE:00:00:01", service_uuids=services, manufacturer_data=manufacturer_data or {}
    )


@pytest.mark.parametrize(("company", "letters"), COMPANIES.items())
def test_each_company_of_the_vendors_app_matches(company: int, letters: str) -> None:
    found = match(seen({company: PAYLOAD}))
    assert found is not None
    assert found.reason == f"company identifier {company:#06x} ({letters}), project 0136"
    assert company.to_bytes(2, "little").decode() == letters  # as on the air


def test_the_virtual_watch_matches() -> None:
    advertisement = MODERN.advertisement
    assert match(seen({advertisement.company_id: advertisement.manufacturer_data})) is not None


def test_a_company_payload_below_nine_bytes_does_not_count() -> None:
    assert match(seen({0x5A54: PAYLOAD[:8]})) is None


def test_another_company_does_not_count() -> None:
    assert match(seen({0x004C: PAYLOAD})) is None


def test_the_service_alone_is_a_weaker_hint() -> None:
    by_company, by_service = (
        match(seen({0x5A54: PAYLOAD})),
        match(seen(services=frozenset({SERVICE}))),
    )
    assert by_company is not None
    assert by_service is not None
    assert by_service.score < by_company.score < CERTAIN


def test_a_cousin_with_its_own_service_is_left_alone() -> None:
    assert match(seen({0x5A54: PAYLOAD}, frozenset({SERVICE, MOYOUNG_SERVICE}))) is None


def test_a_name_alone_says_nothing() -> None:
    assert match(Advertisement("C0:FF:EE:00:00:01", name="P6_VIRTUAL")) is None


def test_the_declaration_is_for_this_api_and_opens_sessions() -> None:
    assert SPEC.api == API
    assert SPEC.services == {SERVICE}
    assert isinstance(SPEC.open_session(SessionSettings("me")), FitCloudSession)
    assert [spec.name for spec, _ in best_match(seen({0x5A54: PAYLOAD}), [SPEC])] == ["fitcloud"]
