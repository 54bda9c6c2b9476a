# Two commands on a fresh machine with Python 3.11 or later: `make demo` and `make test`. SHORT=--short is the short form
# of test-distributed, test-faults and audit.
PYTHON ?= python3
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

.PHONY: help demo test test-all test-recipes test-distributed test-faults notebooks notebooks-fast docs audit check setup clean

help:
	@echo "make demo      train every family on real digits: runs/demo/report.html, summary.json and family_map.csv"
	@echo "make test      run the tests (make test PYTHON=python3.12 for another Python)"
	@echo "make test-all  run the slow tests too, with optimised programs"
	@echo "make test-recipes  a tiny run of every family, from its options to its page, the map of some, the examples of the README"
	@echo "make test-distributed  training on eight devices and in two processes, against one device"
	@echo "make test-faults  kill, stop and damage runs, and prove that nothing is lost"
	@echo "make notebooks-fast  run every chapter of notebooks/ with small sizes"
	@echo "make notebooks  execute the chapters in full and write them with their outputs"
	@echo "make docs      the reference, with its equations: build/docs/index.html"
	@echo "make audit     the worst float32 error of every function, value and gradient, against exact values"
	@echo "make check     formatter, linter, type checker and the floors of the house"
	@echo "make clean     remove the environments and caches; runs/ stays"

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: setup
	$(BIN)/python experiments/family_map.py --out runs/demo

test: setup
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-all: setup
	XLA_FLAGS="$(XLA_FLAGS)" $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "slow or not slow"

test-recipes: setup
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m slow -k "explains_itself or script_runs or map_grows or readme" \
	  tests/test_runs.py tests/test_experiments.py tests/test_family_map.py tests/test_structure.py

test-distributed: setup
	$(BIN)/python -m tests.distributed $(SHORT)

test-faults: setup
	$(BIN)/python -m tests.faults $(SHORT)
	$(BIN)/python -m tests.faults.long $(SHORT)

notebooks-fast: setup
	@ls notebooks/[0-9]*.py | GENJAX_FAST=1 MPLBACKEND=Agg xargs -P 2 -I % \
	  sh -c 'echo %; $(BIN)/python % > /dev/null || exit 255'

notebooks: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[notebooks]' -c constraints.txt
	$(BIN)/python notebooks/execute.py

docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	$(BIN)/sphinx-build --quiet --fresh-env --nitpicky --fail-on-warning --keep-going docs build/docs
	@echo "the reference: build/docs/index.html"

audit: setup
	$(BIN)/python -m tests.audit $(SHORT)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

clean:
	rm -rf .venv .venv-* .jax_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
