"""What a FitCloud watch is and can do, in the gateway's words."""

from collections.abc import Collection

from protocols.fitcloud.messages.configuration import Configuration
from protocols.fitcloud.plan import (
    DAY_TOTALS,
    HEART_RATE,
    HEART_RATE_SPOT,
    RESTING_HEART_RATE,
    SLEEP,
    SLEEP_SCORE,
    SPORT,
    STEPS,
    permitted_plan,
)
from protocols.model.capabilities import Capabilities, Description
from protocols.model.catalog import Category

KIND_OF_ITEM = {
    STEPS: "steps",
    SLEEP: "sleep_stage",
    SLEEP_SCORE: "sleep_score",
    HEART_RATE: "heart_rate",
    HEART_RATE_SPOT: "heart_rate",
    SPORT: "workout",
    RESTING_HEART_RATE: "resting_heart_rate",
    DAY_TOTALS: "day_totals",
}
INTENTS = frozenset({"sync", "read_battery", "set_time", "unbind"})


def describe(configuration: Configuration, consent: Collection[Category]) -> Description:
    """Kinds follow from the features and the owner's consent, limits from the limits entry."""
    info, limits = configuration.device_info, configuration.limits
    items = permitted_plan(info.features, 1, consent)
    kinds = {KIND_OF_ITEM[item.type_id] for item in items}
    return Description(
        protocol="fitcloud",
        model=f"FitCloud {info.project}",
        firmware=info.firmware,
        capabilities=Capabilities(
            kinds=frozenset(kinds | {"battery"}),
            intents=INTENTS,
            limits={
                "max_alarms": limits.max_alarms,
                "max_schedules": limits.max_schedules,
                "max_contacts": limits.max_contacts(info.features),
            },
        ),
    )
