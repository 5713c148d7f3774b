# One entry to everything: `make help`. Needs Python 3.11+ (with venv), git and make; the rest is set up here.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test-fast test torture lint types imports bench lock docs clean system

PYTHON ?= python3
BIN := .venv/bin
LOCKED := .venv/.locked
INSTALLED := .venv/.installed
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" --quiet

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv from the lock file, with the package in it

demo: setup ## Run the main job (OCT) on simulated data, in a fresh home
	@$(BIN)/opticstream demo

test-fast: setup ## Run the quick tests only
	$(BIN)/python -m pytest -m "not slow and not torture"

test: system lint docs ## Run every gate and every test but the long campaigns
	$(BIN)/python scripts/wheel_gate.py types imports
	$(BIN)/python -m pytest -m "not torture"

torture: setup system ## Run the long random campaigns; a failure prints its seed
	$(BIN)/python -m pytest -m torture

lint: setup ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types, strictly, on the package as it is shipped
	$(BIN)/python scripts/wheel_gate.py types

imports: setup ## Check that no floor imports from above
	$(BIN)/python scripts/wheel_gate.py imports

bench: setup ## Run the benchmarks; one JSON object per line
	@for file in benchmarks/[!_]*.py; do $(BIN)/python "$$file" || exit 1; done

lock: setup ## Rewrite the lock files (UPGRADE=1 takes the newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group dev --output-file requirements-dev.txt

docs: setup ## Build the site; a broken link is an error
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/module_reference.py
	$(BIN)/python scripts/parameter_reference.py
	$(BIN)/mkdocs build --strict

clean: ## Remove build output and caches (the environment stays)
	rm -rf build site *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

system: # System packages that tests need
	@$(PYTHON) scripts/system_packages.py

$(LOCKED): requirements-dev.txt
	@$(PYTHON) scripts/check_python.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
