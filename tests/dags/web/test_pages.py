"""The pages as files: who gets them, what they may do in a browser, and where Airflow shows them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from energy_ingest.web import gate, pages

STATIC = Path(pages.__file__).parent / "static"
FILES = sorted(path.name for path in STATIC.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_whoever_is_logged_in_gets_them_under_a_strict_policy(viewer, asking, name):
    assert asking().get(f"/pages/{name}").status_code == 401
    answer = viewer.get(f"/pages/{name}")
    assert answer.status_code == 200
    assert answer.content == (STATIC / name).read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert viewer.get(f"/pages/{name}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.html", "..%2Fpages.py", "%2e%2e%2fpages.py", "%2Fetc%2Fpasswd"])
def test_nothing_else_is_served(viewer, name):
    assert viewer.get(f"/pages/{name}").status_code == 404


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".html", ".js", ".css"))])
def test_nothing_is_inline_and_nothing_from_elsewhere(name):
    text = (STATIC / name).read_text().replace("http://www.w3.org/", "")
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://|style=|<script>|javascript:"
    assert re.findall(forbidden, text) == []


def test_airflow_shows_every_page(monkeypatch):
    views = gate.external_views()
    shown = {view["href"].partition("?")[0].rpartition("/")[2] for view in views}
    assert shown == {f"{name}.html" for name in gate.PAGES} == {name for name in FILES if name.endswith(".html")}
    assert len({view["url_route"] for view in views}) == len(views)
    monkeypatch.delitem(sys.modules, "airflow.api_fastapi.app")
    assert gate.external_views() == []


@pytest.fixture
def anew() -> Iterator[None]:
    """The app is made again, and once more for whoever comes after."""
    gate._app.cache_clear()
    yield
    gate._app.cache_clear()


def _changed() -> None:
    raise AttributeError("module 'airflow.api_fastapi' has no attribute 'app'")


@pytest.mark.parametrize("broken", [None, SimpleNamespace(create_app=_changed)], ids=["away", "changed"])
def test_where_the_app_cannot_be_nothing_is_shown_and_nothing_fails(anew, monkeypatch, caplog, broken):
    """As an Airflow whose modules are not those that we know."""
    monkeypatch.setitem(sys.modules, "energy_ingest.web.app", broken)
    assert (gate.fastapi_apps(), gate.external_views()) == ([], [])
    assert "everything else works" in caplog.text
