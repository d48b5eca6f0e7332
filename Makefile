# Every target makes what it needs in .venv, on a machine with nothing but Python, and is quick the
# second time. `make PYTHON=…` chooses the interpreter, `make VENV=…` another environment.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt
# What decides the environment's content: when one of these changes, pip looks again.
GROUND := pyproject.toml constraints.txt src/fedloom/_version.py scripts/make-venv

RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev

export FLWR_TELEMETRY_ENABLED := 0

.PHONY: help demo torch tensorflow test chaos lint format bench licences constraints clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(RUNTIME): $(GROUND)
	@scripts/make-venv $(VENV)
	@echo "installing fedloom into $(VENV)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): $(GROUND)
	@scripts/make-venv $(VENV)
	@echo "installing fedloom and its development tools into $(VENV)"
	@$(PIP_INSTALL) --editable . --group dev
	@touch $(RUNTIME) $@

torch: $(DEV) ## Add PyTorch, for the tests that train with it (large)
	@$(PIP_INSTALL) --group torch

tensorflow: $(DEV) ## Add TensorFlow, for the tests that train with it (large)
	@$(PIP_INSTALL) --group tensorflow

demo: $(RUNTIME) ## Train 20 clients on a non-IID split; write records, weights and a report
	$(BIN)/fedloom generate --clients 20 --partition dirichlet --output demo.csv --overwrite
	$(BIN)/fedloom report outputs/runs/demo.csv

test: $(DEV) ## Run all tests with the coverage floor
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

chaos: $(DEV) ## Kill every part of the platform at every stage of a task (about half an hour)
	FEDLOOM_CHAOS=1 $(BIN)/python -m pytest tests/platform/test_chaos.py $(ARGS)

lint: $(DEV) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## Measure rounds side by side with other engines (ARGS=… is passed on)
	$(BIN)/python benchmarks/run.py $(ARGS)

licences: $(DEV) ## Write docs/licences.md from what is installed
	$(BIN)/python scripts/licences.py docs/licences.md

constraints: $(DEV) ## Write constraints.txt from what is installed
	$(BIN)/python scripts/constraints.py constraints.txt

clean: ## Remove the environment, caches and build results; outputs/ stays
	rm -rf $(VENV) build dist htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
