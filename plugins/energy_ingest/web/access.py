"""Who asks, and what they may: Airflow's own users and permissions, on the DAG that a dataset belongs to.

Airflow mounts a plugin's app without any authentication. `create_app` puts `signed_in` and `not_forged` before every
route; each route says by one of the other dependencies here what its user must be allowed. A test walks all routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request

from energy_ingest import catalog

Deed = Literal["view", "trigger"]

METER_FILES: Final = "meter_files"
NAMES: Final = (*catalog.DATASETS, METER_FILES)
"""Everything that has jobs; each has a DAG of the same name."""
MONITOR: Final = "platform_monitor"
HEADER: Final = "X-Energy-Request"


def signed_in(user: GetUserDep) -> None:
    """Refuse whoever Airflow does not know."""


def not_forged(request: Request) -> None:
    """Refuse what another site can make a browser send.

    A form sends no JSON, and a script of another origin no header of its own, unless a CORS answer allows it.

    Raises:
        HTTPException: 415 for another content type, 403 for another origin or a missing header.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send the body as Content-Type: application/json; an empty one is {}")
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return  # no browser adds that by itself
    if HEADER.lower() not in request.headers:
        raise HTTPException(403, f"with a cookie, send the header {HEADER}: 1, too; a script should send its token")
    if not _same_origin(request):
        raise HTTPException(403, "the request comes from another site: use the pages of this Airflow")


def _same_origin(request: Request) -> bool:
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


@dataclass(frozen=True)
class Access:
    """The user of a request, and what they may do."""

    user: Any

    def may(self, deed: Deed, dag_id: str) -> bool:
        """Whether Airflow lets the user view that DAG, or trigger it."""
        team = DagModel.get_team_name(dag_id) if conf.getboolean("core", "multi_team", fallback=False) else None
        details = DagDetails(id=dag_id, team_name=team)
        method, entity = ("GET", None) if deed == "view" else ("POST", DagAccessEntity.RUN)
        return bool(
            get_auth_manager().is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user)
        )

    def require(self, deed: Deed, dag_id: str) -> None:
        """Refuse what is not allowed.

        Raises:
            HTTPException: 403.
        """
        if not self.may(deed, dag_id):
            raise HTTPException(403, f"you may not {deed} the DAG {dag_id}: ask whoever administers this Airflow")

    def among(self, deed: Deed, names: Iterable[str]) -> tuple[str, ...]:
        """Those of these DAGs that the user may view, or trigger."""
        return tuple(name for name in names if self.may(deed, name))


def access(user: GetUserDep) -> Access:
    """The user's access, for routes that decide when they have looked."""
    return Access(user)


def viewable(user: GetUserDep) -> tuple[str, ...]:
    """The datasets, and meter files, that the user may see.

    Raises:
        HTTPException: 403, if there are none.
    """
    found = Access(user).among("view", NAMES)
    if not found:
        raise HTTPException(403, "you may view none of the DAGs of our datasets: ask whoever administers this Airflow")
    return found


def sees(dag_id: str) -> Callable[..., None]:
    """Only for who may view that DAG."""

    def required(user: GetUserDep) -> None:
        Access(user).require("view", dag_id)

    PERMISSIONS.add(required)
    return required


def sees_dataset(name: str, user: GetUserDep) -> catalog.Dataset:
    """The dataset that the path names, for who may view its DAG.

    Raises:
        HTTPException: 404, 403.
    """
    if name not in catalog.DATASETS:
        raise HTTPException(404, f"no dataset {name[:80]!r}: use one of {', '.join(catalog.DATASETS)}")
    Access(user).require("view", name)
    return catalog.DATASETS[name]


def asked_for(seen: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Of what the user sees, what a query names; all where it names none.

    Raises:
        HTTPException: 404 for what does not exist, 403 for what the user may not see.
    """
    seen, names = tuple(seen), tuple(names)
    for name in names:
        if name not in NAMES:
            raise HTTPException(404, f"no dataset {name[:80]!r}: use one of {', '.join(NAMES)}")
        if name not in seen:
            raise HTTPException(403, f"you may not view the DAG {name}: ask whoever administers this Airflow")
    return tuple(name for name in seen if name in names) if names else seen


PERMISSIONS: Final[set[Callable[..., Any]]] = {viewable, sees_dataset, access}
"""The dependencies that ask for a permission; `access` leaves it to the route, which must `require` one."""

HasAccess = Annotated[Access, Depends(access)]
Viewable = Annotated[tuple[str, ...], Depends(viewable)]
SeenDataset = Annotated[catalog.Dataset, Depends(sees_dataset)]
