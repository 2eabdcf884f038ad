"""The inbox of meter files, on whatever ObjectStoragePath it is."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import ObjectStoragePath

from energy_ingest import settings
from energy_ingest.loading.meter_files.inbox import Inbox


def inbox() -> Inbox:
    """The inbox that ENERGY_INBOX_URL names; `s3://connection@bucket/folder` takes that Airflow connection."""
    root = ObjectStoragePath(settings.inbox_url())
    return Inbox(root.fs, root.path)
