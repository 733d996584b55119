# `make` lists what there is. Needs Python 3.11 or newer, git, make, and an index pip can reach.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= demo-output
PYTEST_ARGS ?=
# The tests start Python many times, and every worker imports all of it: compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-all lint clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(READY) ## prepare .venv; does nothing where nothing changed

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"hubmerge needs Python 3.11 or newer, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## train, push, merge and measure small models on this machine
	@if [ -t 1 ]; then serve=--serve; fi; exec $(BIN)/hubmerge demo -o $(OUT) $$serve

test: setup ## the tests, but for the slow ones
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-slow: setup ## the slow tests, but for those that run every benchmark
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[eval]'
	$(BIN)/python -m pytest -m "slow and not benchmark" -n 2 --dist worksteal $(PYTEST_ARGS)

test-all: test test-slow ## all of them
	$(BIN)/python -m pytest -m benchmark -n 2 --dist worksteal $(PYTEST_ARGS)

lint: setup ## style, types, layers of imports and figures of the structure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python tools/structure.py --check

clean: ## remove everything made here, .venv included
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
