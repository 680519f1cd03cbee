"""Versions of extra firmware, 02/E8. Source: transport-and-data §6.4; vectors data-device-info."""

from dataclasses import dataclass

from protocols.fitcloud.messages.configuration import split_entries


@dataclass(frozen=True, slots=True)
class ExtraFirmware:
    """Versions as decimal numbers of at least eight digits; None where there is no such part."""

    gnss: str | None = None
    modem: str | None = None


def decode_extra_firmware(value: bytes) -> ExtraFirmware:
    """Unlisted parts are ignored, a truncated one ends the list. Raises nothing."""
    versions = {part: f"{int.from_bytes(data, 'big'):08}" for part, data in split_entries(value)}
    return ExtraFirmware(gnss=versions.get(1), modem=versions.get(2))
