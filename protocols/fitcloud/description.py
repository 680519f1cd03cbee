"""What a FitCloud watch is and can do, in the gateway's words."""

from collections.abc import Collection

from protocols.fitcloud import plan
from protocols.fitcloud.measure import measurable
from protocols.fitcloud.messages.configuration import Configuration
from protocols.model.capabilities import Capabilities, Description
from protocols.model.catalog import Category

KIND_OF_ITEM = {
    plan.STEPS: "steps",
    plan.SLEEP: "sleep_stage",
    plan.SLEEP_SCORE: "sleep_score",
    plan.HEART_RATE: "heart_rate",
    plan.HEART_RATE_SPOT: "heart_rate",
    plan.OXYGEN: "oxygen_saturation",
    plan.OXYGEN_SPOT: "oxygen_saturation",
    plan.BLOOD_PRESSURE: "blood_pressure",
    plan.BLOOD_PRESSURE_SPOT: "blood_pressure",
    plan.RESPIRATION: "respiratory_rate",
    plan.RESPIRATION_SPOT: "respiratory_rate",
    plan.SPORT: "workout",
    plan.GPS: "gps_track",
    plan.TEMPERATURE: "temperature",
    plan.TEMPERATURE_SPOT: "temperature",
    plan.STRESS: "stress",
    plan.STRESS_SPOT: "stress",
    plan.MOOD: "mood",
    plan.GAME: "game_score",
    plan.VITALITY: "vitality",
    plan.HRV: "heart_rate_variability",
    plan.DAILY_HRV: "daily_hrv",
    plan.RESTING_HEART_RATE: "resting_heart_rate",
    plan.DAY_TOTALS: "day_totals",
    plan.ECG: "ecg",
}
"""Catalogue names of the items' readings."""

INTENTS = frozenset({"sync", "read_battery", "set_time", "unbind"})
"""What every watch can do; `measure_<kind>` for what it measures on demand."""


def describe(configuration: Configuration, consent: Collection[Category]) -> Description:
    """Kinds follow from the features and the owner's consent, limits from the limits entry."""
    info, limits = configuration.device_info, configuration.limits
    items = plan.permitted_plan(info.features, 1, consent)
    kinds = {KIND_OF_ITEM[item.type_id] for item in items}
    return Description(
        protocol="fitcloud",
        model=f"FitCloud {info.project}",
        firmware=info.firmware,
        capabilities=Capabilities(
            kinds=frozenset(kinds | {"battery"}),
            intents=INTENTS | {f"measure_{name}" for name in measurable(info.features, consent)},
            limits={
                "max_alarms": limits.max_alarms,
                "max_schedules": limits.max_schedules,
                "max_contacts": limits.max_contacts(info.features),
            },
        ),
    )
