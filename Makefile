# make verify: every claim with its verdict.  make test: the tests.  Both work from a fresh clone; the second run needs no network.
# make readme: the outputs in README.md, results/verdicts.md and results/findings.md, printed anew.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: verify test lint readme clean

verify: .venv/installed
	$(BIN)/arith-verify all

test: .venv/installed
	$(BIN)/pytest -n 2

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

readme: .venv/installed
	$(BIN)/python -m tests.readme

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
