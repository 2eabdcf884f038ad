# Everything a person or CI runs. Each target makes what it needs: `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
BIN2 := .venv-airflow2/bin
# three processes share the tests, as one waits for the scheduler most of the time; ARGS="-n 0" for one, as a debugger needs
WORKERS := -n 3 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n "s/^\([a-z0-9-]*\):.*\#\# .*/\1/p" $(MAKEFILE_LIST))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## make or update .venv (Airflow 3.3.2) from its lock
	@$(PYTHON) tools/bootstrap.py airflow3

env-airflow2: ## make or update .venv-airflow2 (Airflow 2.11.2) from its lock
	@$(PYTHON) tools/bootstrap.py airflow2

demo: env ## start the local stack, load the demonstration period and report (DAYS=3 for the quick one)
	@$(BIN)/python -m tools.demo $(if $(DAYS),--days $(DAYS))

start: env ## start the local stack without loading anything
	@$(BIN)/python -m tools.stack start

status: env ## show which parts of the local stack run
	@$(BIN)/python -m tools.stack status

stop: env ## stop the local stack, keeping its data
	@$(BIN)/python -m tools.stack stop

clean: env ## stop the local stack and remove its data
	@$(BIN)/python -m tools.stack clean

psql: export STATEMENT = $(value SQL) # as it is: $ is SQL's here, not make's
psql: env ## open the warehouse, or ask it: SQL="select ..." (ROLE=owner|loader|reader)
	@$(BIN)/python -m tools.stack psql

test: test-airflow3 test-airflow2 ## run all tests, also those on Airflow 2 (ARGS="-k name" goes to pytest)

test-airflow3: env ## run all tests on Airflow 3.3.2
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-fast: env ## run the tests that take seconds, without the local stack
	$(BIN)/python -m pytest $(WORKERS) -m "not slow and not e2e" $(ARGS)

test-airflow2: env-airflow2 ## run the DAG tests and one backfill on Airflow 2.11.2
	$(BIN2)/python -m pytest $(WORKERS) tests/dags tests/airflow2 $(ARGS)

test-mwaa: ## run the package tests with what MWAA installs: VERSION=2.11.2, 3.2.1 or 3.3.1 (PYTHON=python3.12, as there)
	@$(PYTHON) tools/bootstrap.py mwaa-$(VERSION)
	.venv-mwaa-$(VERSION)/bin/python -m pytest tests/dags/test_packages.py tests/dags/test_dag_parsing.py $(ARGS)

test-systemd: export ENERGY_TEST_SYSTEMD = 1
test-systemd: env ## as root: install the units on a throw-away copy of this machine that a real systemd runs, load, undo it
	$(BIN)/python -m pytest -n 0 tests/systemd $(ARGS)

lint: env ## check style and likely errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env ## apply what lint can fix itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: env ## check the types of the library and of the tools
	$(BIN)/mypy
	$(BIN)/mypy --strict tools

up: env ## start everything in containers, making .env (CELERY=2 for two Celery workers, PROFILES="demo mail")
	@$(BIN)/python -m tools.compose up --profiles "$(PROFILES)" --workers $(or $(strip $(CELERY)),0)

down: env ## stop the containers, keeping their data
	@$(BIN)/python -m tools.compose down

install-systemd: ## on a server, as root: install or update the units of systemd and start them (PARTS=worker, PYTHON=, DESTDIR=)
	@$(PYTHON) -B -m tools.systemd install $(if $(PARTS),--parts "$(PARTS)") $(ARGS)

uninstall-systemd: ## undo that, keeping settings and data (PURGE=1: those too)
	@$(PYTHON) -B -m tools.systemd uninstall $(if $(PURGE),--purge)

bench: env ## measure loading: rows per second, CPU, memory, and the ratio to the limit of the same machine
	@$(BIN)/python -m tools.bench $(ARGS)

audit: env ## look for known vulnerabilities in the locks; fails where it cannot see
	@$(BIN)/python -m tools.audit $(ARGS)

rule-counts: env ## count hits and false alarms of the rules of data quality on recorded data, into docs/quality.md (DATA=folder)
	@$(BIN)/python -m tools.rule_counts $(DATA) --write

package-mwaa: env ## what Amazon MWAA is given, in dist/mwaa (VERSION of its Airflow; LAYOUT=dags: the library below dags/)
	@$(BIN)/python -m tools.package mwaa $(if $(VERSION),--version $(VERSION)) $(if $(LAYOUT),--layout $(LAYOUT))

package-composer: env ## what Google Cloud Composer is given, in dist/composer
	@$(BIN)/python -m tools.package composer

package-astro: env ## what Astronomer is given, in dist/astro
	@$(BIN)/python -m tools.package astro

smoke-influx: env ## run the projection against a real InfluxDB 2.7, named by INFLUXDB_URL, _TOKEN, _ORG and _BUCKET
	@$(BIN)/python -m tools.smoke_influx

docs: env ## write the generated parts of docs/, and the dashboards of Grafana
	@$(BIN)/python -m tools.docs
	@$(BIN)/python -m tools.grafana

screenshots: env ## take the pictures in docs/images with a headless Chromium and a stack of their own
	@$(BIN)/python -m tools.screenshots

lock-mwaa: ## resolve what an MWAA VERSION installs (CONSTRAINTS=its constraints file; default: the one Airflow publishes)
	@$(PYTHON) tools/bootstrap.py lock-mwaa $(VERSION) $(CONSTRAINTS)

lock: ## resolve requirements*.txt into the locks (ARGS=--upgrade for the newest versions)
	@$(PYTHON) tools/bootstrap.py lock $(ARGS)
