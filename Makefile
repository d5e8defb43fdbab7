# `make` alone lists the targets.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo install test test-slow lint format docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## data, training, report and submission, from nothing: 4 to 10 minutes and the download of torch
	$(BIN)/mmnist data make --train 20000 --test 2000 --digits sample --output data/quickstart --force
	$(BIN)/mmnist train configs/quickstart.yaml --force
	$(BIN)/mmnist report runs/quickstart/seed-0
	$(BIN)/mmnist predict runs/quickstart/seed-0

install: $(VENV)/.installed ## make .venv and install mmnist into it

test: $(VENV)/.installed-test lint ## lint, then the tests but for the slow ones
	$(BIN)/python -m pytest -m "not slow" -n auto --dist worksteal

test-slow: $(VENV)/.installed-test ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed-test ## ruff: errors, style, format; mypy: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test ## put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed ## make what is generated: JSON Schema and the reference of the configuration
	$(BIN)/mmnist config schema --output configs/schema.json
	$(BIN)/mmnist config schema --study --output configs/study.schema.json
	$(BIN)/mmnist config schema --format markdown --output docs/configuration.md

clean: ## delete .venv and caches; data/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(VENV)/.installed $@
