"""Every dataset, one module per upstream: source, clock, publication, restatement, contract, table.

Docs, coverage, planning, loading and checks all read it from here. `docs/adding-a-source.md` says how to add one.
"""

from __future__ import annotations

from typing import Final

from energy_ingest.catalog.dataset import Dataset, Upstream
from energy_ingest.catalog.elexon import B1610, ELEXON, MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.catalog.elexon_bm_data import BOALF, BOD, PHYSICAL
from energy_ingest.catalog.energy_transfer import ENERGY_TRANSFER, ENERGY_TRANSFER_CAPACITY, TRANSWESTERN_CAPACITY
from energy_ingest.catalog.national_gas import NATIONAL_GAS, NATIONAL_GAS_QUALITY
from energy_ingest.errors import Misconfigured

__all__ = [
    "B1610",
    "BOALF",
    "BOD",
    "DATASETS",
    "ELEXON",
    "ENERGY_TRANSFER",
    "ENERGY_TRANSFER_CAPACITY",
    "MARKET_INDEX",
    "NATIONAL_GAS",
    "NATIONAL_GAS_QUALITY",
    "PHYSICAL",
    "SYSTEM_PRICES",
    "TRANSWESTERN_CAPACITY",
    "Dataset",
    "Upstream",
    "get",
    "upstreams",
]

DATASETS: Final = {
    dataset.name: dataset
    for dataset in (
        SYSTEM_PRICES,
        MARKET_INDEX,
        B1610,
        BOALF,
        BOD,
        PHYSICAL,
        NATIONAL_GAS_QUALITY,
        TRANSWESTERN_CAPACITY,
        ENERGY_TRANSFER_CAPACITY,
    )
}


def get(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        Misconfigured: there is none; the message lists those that exist.
    """
    if name not in DATASETS:
        raise Misconfigured(f"no dataset {name!r}: use one of {', '.join(DATASETS)}")
    return DATASETS[name]


def upstreams() -> list[Upstream]:
    """Every upstream that a dataset comes from."""
    return list(dict.fromkeys(dataset.source for dataset in DATASETS.values()))
