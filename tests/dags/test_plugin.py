"""The plugin file itself, on every Airflow: it loads without error, and without an API server it adds no pages."""

from __future__ import annotations

import sys

import pytest

from energy_ingest.web import gate


def test_airflow_loads_the_plugin(metadata: None) -> None:
    from airflow import plugins_manager

    if hasattr(plugins_manager, "_get_plugins"):  # Airflow 3
        plugins, errors = plugins_manager._get_plugins()
    else:
        plugins_manager.ensure_plugins_loaded()
        plugins, errors = plugins_manager.plugins, plugins_manager.import_errors
    assert {name: error for name, error in errors.items() if "energy" in name} == {}
    assert "energy" in {plugin.name for plugin in plugins}


@pytest.mark.parametrize("version", ["2.11.2", "3.0.6", "3.1.8"])
def test_an_older_airflow_gets_no_pages_and_no_error(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.app", sys)
    monkeypatch.setattr("airflow.__version__", version)
    assert (gate.fastapi_apps(), gate.external_views()) == ([], [])


def test_what_is_no_api_server_gets_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "airflow.api_fastapi.app", raising=False)
    assert not gate.is_open()
    assert (gate.fastapi_apps(), gate.external_views()) == ([], [])
