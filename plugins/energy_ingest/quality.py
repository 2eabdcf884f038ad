"""What good data look like: the rules, as data. Each is a statement in `sql/quality/rules` with limits of its own.

A rule reads a series, `sql/quality/series`: subject, day, item of the day, instant, value, and the job that brought it.
Red: the value cannot be true, and whoever uses it is misled. Amber: it may be true, and somebody should look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

METERS: Final = "meter_files"
PRICES: Final = "elexon_system_prices"
INDEX: Final = "elexon_market_index"
GENERATION: Final = "elexon_b1610"
GAS: Final = "national_gas_quality"
CAPACITIES: Final = ("transwestern_capacity", "energy_transfer_capacity")

SERIES: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (name,) for name in (PRICES, INDEX, GENERATION, GAS, *CAPACITIES)},
    METERS: (METERS, "meter_days"),
}
"""The series that make up each dataset; every value is in one of them."""
DATASETS: Final = tuple(SERIES)


@dataclass(frozen=True)
class Rule:
    """One check of one dataset.

    `sql` names its statement, `limits` what that is given, `series` what it reads, if not the dataset's first one;
    `back` are the days around those judged that it must see. `looks_back`: what it finds on a day may come right by a
    load of earlier days, so open issues are judged again each time.
    """

    name: str
    dataset: str
    severity: Literal["red", "amber"]
    doc: str
    sql: str
    limits: Mapping[str, Any] = field(default_factory=dict)
    back: int = 0
    series: str = ""
    looks_back: bool = False


def _half_hours(dataset: str, *, zeros: int = 0, frozen: int = 0, spike: int = 0, spread: int = 0) -> tuple[Rule, ...]:
    """What holds for any series of half hours; a limit of 0 leaves its rule out."""
    rules = [Rule("missing", dataset, "amber", "a half hour of 46, 48 or 50 is not there", "missing")]
    if zeros:
        doc = f"zero for {zeros} half hours on end"
        rules.append(Rule("zero_run", dataset, "amber", doc, "still", {"length": zeros, "zero": True}, back=2))
    if frozen:
        doc = f"the same value, not zero, for {frozen} half hours on end"
        rules.append(Rule("frozen", dataset, "amber", doc, "still", {"length": frozen, "zero": False}, back=2))
    if spread:
        doc = f"beyond {spread} times the day's quartile distance, at least a quarter of its median (10 values or more)"
        rules.append(Rule("outlier", dataset, "amber", doc, "outlier", {"times": spread}))
    if spike:
        doc = f"over {spike} times the highest of the same half hour in the last 4 weeks"
        rules.append(Rule("spike", dataset, "amber", doc, "spike", {"times": spike}, back=28))
    return tuple(rules)


RULES: Final = (
    *_half_hours(METERS, zeros=48, frozen=12, spike=12, spread=20),
    Rule("missing_day", METERS, "amber", "days before this one are not there", "missing_day", looks_back=True),
    Rule("negative", METERS, "red", "a meter's register cannot run below zero", "negative"),
    Rule("negative_total", METERS, "red", "nor can the total of a day", "negative", series="meter_days"),
    *_half_hours(PRICES, frozen=12, spike=5, spread=5),
    Rule("one_price", PRICES, "red", "buy and sell price are one since 5 November 2015", "one_price"),
    Rule("niv_sign", PRICES, "red", "the code says short (P) or long (N), the imbalance volume the other", "niv_sign"),
    *_half_hours(INDEX, frozen=12, spike=5, spread=5),
    *_half_hours(GENERATION, frozen=48),
    Rule("solar_at_night", GENERATION, "amber", "a solar unit generates from 23:00 to 02:00 UTC", "solar_at_night"),
    Rule("over_capacity", GENERATION, "amber", "more than 1.1 times what the unit can do in half an hour", "capacity"),
    Rule(
        *("cv_band", GAS, "amber", "calorific value outside 37.5 to 43 MJ/m³, the band for gas that may be conveyed"),
        *("cv_band", {"low": 37.5, "high": 43}),
    ),
    *(Rule("oac", name, "red", "available is operating less scheduled capacity", "oac") for name in CAPACITIES),
)
