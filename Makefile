# `make run` and `make test` are all that a fresh machine with Python 3.11+ needs; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

ifeq ($(MAKECMDGOALS)$(TEST),one)
$(error make one needs TEST, such as TEST=tests/prefix_solvers/test_nearest_neighbours.py or TEST="knn and not ties")
endif

.PHONY: help run test one fix coverage check lint types layers gate baseline bench docs changelog wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

run: .venv/installed ## install, then run the quick suite: a table in a minute
	$(BIN)/icl-bench run suites/quick.toml

test: .venv/installed-test ## install, then every check there is
	$(MAKE) check

one: .venv/installed-test ## one test: TEST=tests/prefix_solvers/test_nearest_neighbours.py, TEST=tests/prefix_solvers/test_nearest_neighbours.py::NAME, or TEST="words of names"
	$(BIN)/pytest -x $(if $(wildcard $(firstword $(subst ::, ,$(TEST)))),"$(TEST)",-k "$(TEST)")

fix: .venv/installed-test ## format, and mend what lint can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

check: lint types layers ## every check, of what is installed
	$(BIN)/pytest -n 2 --dist worksteal

lint: ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: ## mypy, strict
	$(BIN)/mypy

layers: ## what imports what
	$(BIN)/lint-imports

coverage: .venv/installed-test ## which lines no test runs; the processes that tests start count
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

gate: .venv/installed ## quick.toml against the committed baseline, the way action.yml does it
	PATH="$(CURDIR)/$(BIN):$$PATH" SUITE=suites/quick.toml BASELINE=results/baseline-quick OUT=results/gate bash action/gate.sh
	$(BIN)/python .ci/scores_moved.py results/gate/comparison.json

baseline: .venv/installed ## a change moved a score on purpose: write the baseline anew, then a fragment NAME.scores.md
	$(BIN)/icl-bench run suites/quick.toml
	$(BIN)/icl-bench compare results/baseline-quick results/quick --update
	@echo "that digest belongs into changelog.d/NAME.scores.md, with what moved and why"

bench: .venv/installed-test ## the figures in the README, measured side by side
	$(BIN)/python benchmarks/least_squares.py
	$(BIN)/python -m benchmarks.nearest_neighbours
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/harness.py
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.compare
	$(BIN)/python -m benchmarks.html_report
	$(BIN)/python -m benchmarks.report_memory

docs: .venv/installed-test ## the trees and the generated tables in README.md and docs/
	$(BIN)/python -m evidence.house --write
	$(BIN)/python -m evidence.exact_risks_table
	$(BIN)/python -m evidence.operating_characteristics
	$(BIN)/python -m evidence.tables_page

changelog: ## what the fragments would say in CHANGELOG.md
	$(PYTHON) .ci/changelog.py

wheel: .venv/installed ## dist/*.whl, with all that ships
	$(BIN)/pip wheel --quiet --no-deps -w dist .

clean: ## everything that can be made again
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
