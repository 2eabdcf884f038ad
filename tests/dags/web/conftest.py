"""The real app of Airflow's API server in this process, with our plugin, and users of Airflow's simple auth manager."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partialmethod
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.dags.harness import AIRFLOW_3

if TYPE_CHECKING:
    import httpx

collect_ignore_glob = [] if AIRFLOW_3 else ["*"]

USERS = {"vera": "viewer", "ed": "user", "nobody": ""}
"""May view DAGs; may trigger them, too; may do nothing."""
SETTINGS = {
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
    "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-" + "x" * 64,
}


@pytest.fixture(scope="session")
def server(metadata: None) -> Iterator[Any]:
    """Airflow's own app, as the API server makes it; the DAGs are in its database."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        from airflow import plugins_manager
        from airflow.api_fastapi.app import create_app, purge_cached_app

        purge_cached_app()
        for cached in (plugins_manager._get_plugins, plugins_manager.get_fastapi_plugins):
            cached.cache_clear()  # other tests of this process had them without an API server
        yield create_app()
        purge_cached_app()


@dataclass
class Caller:
    """Somebody who asks: by a token, by the cookie of Airflow's pages, or unknown."""

    client: Any
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Our answer to a request below /energy."""
        headers = self.headers | more.pop("headers", {})
        response: httpx.Response = self.client.request(method, f"/energy{path}", headers=headers, **more)
        if response.status_code in (200, 202) and response.headers["content-type"] == "application/json":
            hold_against_description(method, path.partition("?")[0], response)
        return response

    get = partialmethod(ask, "GET")

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A POST of JSON."""
        return self.ask("POST", path, json={} if body is None else body, **more)


@cache
def described() -> dict[str, Any]:
    """What the API says of itself."""
    from energy_ingest.web.app import create_app
    from energy_ingest.web.description import described

    return described(create_app(), "/energy")


def hold_against_description(method: str, path: str, response: httpx.Response) -> None:
    """Nothing that is answered is missing from the description, and nothing that it promises from the answer."""
    document = described()
    templates = sorted(document["paths"], key=lambda template: template.count("{"))
    fits = [t for t in templates if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", t), path)]
    if fits:
        answer = document["paths"][fits[0]][method.lower()]["responses"][str(response.status_code)]
        schema = answer["content"]["application/json"]["schema"]
        jsonschema.validate(response.json(), {**schema, "components": document["components"]})


@pytest.fixture
def asking(server: Any, warehouse: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes callers: by the name of a user, or of none. The warehouse is this test's own."""
    from fastapi.testclient import TestClient

    from energy_ingest.web import store

    monkeypatch.setenv("WAREHOUSE_URL", warehouse["energy_loader"])
    monkeypatch.setenv("WAREHOUSE_READER_URL", warehouse["energy_reader"])
    store._reader_address.cache_clear()
    store._loader_address.cache_clear()
    client = TestClient(server, raise_server_exceptions=False)

    def caller(name: str = "", *, cookie: bool = False) -> Caller:
        if not name:
            return Caller(client)
        token = token_of(name)
        return Caller(client, {"Cookie": f"_token={token}"} if cookie else {"Authorization": f"Bearer {token}"})

    return caller


def token_of(name: str) -> str:
    """A token as Airflow gives one after a login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token: str = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=USERS[name] or None))
    return token


@pytest.fixture
def viewer(asking: Any) -> Caller:
    return asking("vera")  # type: ignore[no-any-return]


@pytest.fixture
def editor(asking: Any) -> Caller:
    return asking("ed")  # type: ignore[no-any-return]
