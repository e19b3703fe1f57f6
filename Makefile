# `make run` and `make test` are all that a fresh machine with Python 3.11+ needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check lint types layers gate baseline bench docs clean

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

gate: .venv/installed ## quick.toml against the committed baseline, the way action.yml does it
	PATH="$(CURDIR)/$(BIN):$$PATH" SUITE=suites/quick.toml BASELINE=results/baseline-quick OUT=results/quick bash action/gate.sh
	$(BIN)/python .ci/scores_moved.py results/gate-comparison.json

baseline: .venv/installed ## a change moved a score on purpose: write the baseline anew, then tell of it in CHANGELOG.md
	$(BIN)/icl-bench run suites/quick.toml
	$(BIN)/icl-bench compare results/baseline-quick results/quick --update

check: lint types layers
	$(BIN)/pytest -n 2 --dist worksteal

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

layers:
	$(BIN)/lint-imports

bench: .venv/installed-test ## the figures in the README, measured side by side
	$(BIN)/python benchmarks/least_squares.py
	$(BIN)/python -m benchmarks.nearest_neighbours
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/harness.py
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.compare
	$(BIN)/python -m benchmarks.html_report
	$(BIN)/python -m benchmarks.report_memory

docs: .venv/installed-test ## the generated tables in docs/
	$(BIN)/python -m benchmarks.exact_risks_table
	$(BIN)/python -m benchmarks.operating_characteristics
	$(BIN)/python -m evidence.tables_page

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
