# conn-etl: everything a person or CI types. Needs Python 3.11 to 3.13 and make; no git, no compiler, no uv.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help install lock wheel run up down status test test-unit test-debian test-system test-airflow-matrix coverage mutation lint check-lock audit bench chaos fuzz docs samples clean

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMP := $(VENV)/.installed
# Code that is checked; folders that are not there yet are left out.
CODE := $(wildcard etl conn_etl dags local samples tests benchmarks sql/migrations hatch_build.py)
TYPED := $(wildcard etl conn_etl dags local samples)
# A company's certificates are in the system's store, which pip reads and uv does not by default.
export UV_SYSTEM_CERTS ?= 1
# Caches stay in the checkout, as all else that this file makes.
export UV_CACHE_DIR ?= $(CURDIR)/.venv/.cache/uv
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv from requirements.lock and install the project into it

# The first Python of the versions that we test that can make a virtual environment; PYTHON=... overrides.
$(PY):
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 || continue; \
	  found="$$python"; \
	  "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	  echo "Making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV) && exit 0; \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found cannot make virtual environments (on Debian and Ubuntu: apt-get install python3-venv)." >&2; \
	else \
	  echo "No Python 3.11, 3.12 or 3.13 found; install one, or name it: make install PYTHON=/path/to/python3.11" >&2; \
	fi; exit 1

# uv at the version and hash of the lock, then all else by uv; where uv cannot reach an index that pip can, by pip.
$(STAMP): requirements.lock pyproject.toml | $(PY)
	@echo "Installing $$(grep -c '==' requirements.lock) locked packages into $(VENV) (some minutes the first time)"
	@awk '/^uv==/ { take = 1; print; next } /^[^ ]/ { take = 0 } take' requirements.lock > $(VENV)/uv.txt
	@$(PY) -m pip install --quiet --require-hashes --no-deps -r $(VENV)/uv.txt || true
	@if $(UV) pip install --quiet --python $(PY) --compile-bytecode --require-hashes -r requirements.lock; then :; else \
	  echo "uv could not install them; trying pip (slower)"; \
	  $(PY) -m pip install --quiet --require-hashes -r requirements.lock; \
	fi
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@rm -rf .venv/.cache && touch $@

# The lock is for all supported systems and Pythons, keeps the versions it has, and names no index.
COMPILE := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --all-extras \
  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file

lock: $(STAMP) ## Resolve again after a change of the dependencies in pyproject.toml (UPGRADE=1: newest versions)
	$(COMPILE) requirements.lock $(if $(UPGRADE),--upgrade)

wheel: $(STAMP) ## The package for another environment, into dist/
	@rm -rf dist
	@$(PY) -m hatchling build -t wheel -d dist >/dev/null
	@ls dist/*.whl

run: $(STAMP) ## Load samples/ (or LOGS=/path) through the real Airflow DAG into the embedded PostgreSQL
	@LOGS="$(LOGS)" $(PY) -m local.run

up: $(STAMP) ## Airflow with its UI and scheduler, over LOGS=/path, on loopback at PORT= (or the first free from 8080)
	@LOGS="$(LOGS)" PORT="$(PORT)" $(PY) -m local.stack up

down: $(STAMP) ## Stop what `make up` and `make run` started (the data stays)
	@$(PY) -m local.stack down

status: $(STAMP) ## What of it runs, how it is, address and login
	@$(PY) -m local.stack status

PYTEST := $(PY) -m pytest --numprocesses 2 --dist loadgroup

test: $(STAMP) ## Unit, integration and DAG tests on the embedded PostgreSQL (ARGS="-k name" picks)
	$(PYTEST) $(wildcard tests/unit tests/integration tests/dags) $(ARGS)

test-unit: $(STAMP) ## Unit tests alone, for the inner loop (under a minute)
	$(PYTEST) tests/unit $(ARGS)

# What runs SQL of ours; the launcher of the embedded server is not Debian's.
DEBIAN_TESTS := $(addprefix tests/integration/,pipeline/test_ingest.py pipeline/test_steps.py database/test_schema.py database/test_migrations.py \
  query/test_cookbook.py query/test_views.py history/test_days.py archive/test_archive_days.py archive/test_archive_reader.py)
test-debian: $(STAMP) ## The integration tests again, on Debian's PostgreSQL 15
	CONN_ETL_TEST_SERVER=debian $(PYTEST) $(DEBIAN_TESTS) $(ARGS)

SYSTEM_TESTS := $(wildcard tests/system tests/browser)
test-system: $(STAMP) ## Stack, wheel, roles, S3, browser, short chaos
	$(if $(SYSTEM_TESTS),$(PY) -m pytest $(SYSTEM_TESTS) $(ARGS),@echo "no system tests yet")

test-airflow-matrix: $(STAMP) ## The DAGs on Airflow 3.1, 3.2 and 3.3, each installed from the package index (some minutes)
	AIRFLOW_VERSIONS="3.1 3.2 3.3" $(PY) -m pytest tests/system/test_airflow_versions.py $(ARGS)

lint: $(STAMP) ## ruff, mypy, import-linter, deptry, sqlfluff, bandit, pip-audit, lock
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy $(TYPED)
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry etl conn_etl dags local
	$(if $(wildcard sql),$(VENV)/bin/sqlfluff lint --processes 2 sql)
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive $(wildcard etl conn_etl dags local)
	@$(MAKE) --no-print-directory check-lock audit

check-lock: $(STAMP)
	@cp requirements.lock $(VENV)/check.lock
	@if $(COMPILE) $(VENV)/check.lock >$(VENV)/check.log 2>&1; then \
	  cmp -s requirements.lock $(VENV)/check.lock && echo "requirements.lock matches pyproject.toml" || \
	    { echo "requirements.lock does not match pyproject.toml; run: make lock" >&2; exit 1; }; \
	elif grep -qiE 'fetch|connect|dns|certificate' $(VENV)/check.log; then \
	  echo "requirements.lock not checked: the package index cannot be reached"; \
	else cat $(VENV)/check.log >&2; exit 1; fi

# One package is asked about first: without the advisories the other 270 questions would be for nothing.
audit: $(STAMP)
	@sed -n 's/^\(packaging==[^ ]*\).*/\1/p' requirements.lock > $(VENV)/probe.txt
	@if $(VENV)/bin/pip-audit --requirement $(VENV)/probe.txt --no-deps --disable-pip >$(VENV)/audit.log 2>&1 && \
	    ! grep -q 'could not be audited' $(VENV)/audit.log; then \
	  $(VENV)/bin/pip-audit --requirement requirements.lock --disable-pip --require-hashes --progress-spinner off; \
	else echo "pip-audit skipped, the advisory database cannot be reached: $$(tail -n 1 $(VENV)/audit.log)"; fi

# Tests of the stack start processes that end by SIGKILL, and tell nothing.
COVERED := $(addprefix tests/,unit integration dags browser $(addprefix system/test_,s3.py doctor.py runbook.py backfill.py))
coverage: $(STAMP) ## Branch coverage of etl/ by these tests, which is at least 95 % (takes twice as long as they)
	$(PYTEST) $(COVERED) --cov --cov-report=term-missing --cov-fail-under=95 $(ARGS)

mutation: $(STAMP) ## Mutants of etl/mapping/values.py that the tests let live (half an hour)
	$(VENV)/bin/mutmut run --max-children 1 $(ARGS)
	$(VENV)/bin/mutmut results

bench: $(STAMP) ## Throughput and memory beside a plain COPY of the same rows
	$(PY) -m benchmarks.run $(ARGS)

chaos: $(STAMP) ## Kill processes and servers while they work, and look after each (ARGS="--kills 200 --seed 1")
	$(PY) -m tests.chaos.run $(ARGS)

fuzz: $(STAMP) ## Damaged logs by the million (ARGS="--inputs 1000000 --files 20000 --seed 1")
	$(PY) -m tests.fuzz.run $(ARGS)

docs: $(STAMP) ## Make docs/fields.md and docs/settings.md again from the code (tests compare them)
	$(PY) -m etl.mapping.dictionary > docs/fields.md
	$(VENV)/bin/conn-etl settings --markdown > docs/settings.md

samples: $(STAMP) ## Make samples/logs again (a test proves that it is byte for byte the committed one)
	$(PY) -m samples.generate

clean: ## Remove .venv and caches (not the database)
	rm -rf $(VENV) dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis mutants .coverage .coverage.*
