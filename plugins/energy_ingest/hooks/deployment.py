"""What the Airflow installed here says about itself."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from airflow.configuration import conf

try:  # the provider common-compat has it, but not in the versions that MWAA has
    from airflow.sdk.log import mask_secret
except ImportError:  # Airflow 2
    from airflow.utils.log.secrets_masker import mask_secret

__all__ = ["BASE_URL", "SECTION", "api_base_url", "health_path", "mask_secret", "pool_exists"]

SECTION: Final = "api" if version("apache-airflow") >= "3" else "webserver"
BASE_URL: Final = f"AIRFLOW__{SECTION.upper()}__BASE_URL"
"""The environment variable of the address."""


def api_base_url() -> tuple[str, bool]:
    """Address of the API server (Airflow 2: the webserver), and whether it is configured or guessed from its port."""
    if url := conf.get(SECTION, "base_url", fallback=None):
        return url.rstrip("/"), True
    return f"http://localhost:{conf.get(SECTION, 'port', fallback='8080')}", False


def health_path() -> str:
    """Where that server tells how its parts are."""
    return "/api/v2/monitor/health" if SECTION == "api" else "/health"


def pool_exists(name: str) -> bool:
    """Whether Airflow's metadata has this pool; raises whatever SQLAlchemy does where they cannot be asked."""
    from airflow.models.pool import Pool

    return Pool.get_pool(name) is not None
