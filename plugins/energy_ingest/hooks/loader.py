"""A loader wired to Airflow connections, as operators have it; `cli.load.make_loader` is that of commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from energy_ingest import settings
from energy_ingest.catalog import Dataset
from energy_ingest.hooks.upstream import UpstreamHook
from energy_ingest.hooks.warehouse import WarehouseHook
from energy_ingest.loading.ingest import Loader
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Scope


def loader_for(
    dataset: Dataset,
    scope: Scope,
    run: Run,
    warehouse_conn_id: str = "energy_warehouse",
    source_conn_id: str | None = None,
) -> Loader:
    """A loader for one scope of a dataset, with its upstream's hook, the warehouse and the archive."""
    return Loader(
        dataset=dataset,
        scope=scope,
        fetch=hook_for(dataset, source_conn_id).fetch,
        connect=WarehouseHook(warehouse_conn_id).get_conn,
        archive=archive_root(),
        run=run,
        concurrency=settings.CONCURRENCY.get_int(),
    )


def hook_for(dataset: Dataset, conn_id: str | None = None) -> UpstreamHook:
    """The hook of the dataset's upstream: class `<Name>Hook` in `hooks/<name>.py`."""
    name = dataset.source.name
    module = import_module(f"energy_ingest.hooks.{name}")
    hook: type[UpstreamHook] = getattr(module, "".join(part.title() for part in name.split("_")) + "Hook")
    return hook(conn_id)


def archive_root() -> Any:
    """Root of the raw archive."""
    return ObjectStoragePath(settings.archive_url())
