# Everything a newcomer needs: `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick proof lint setup setup-dev clean

demo: setup            ## run configs/quickstart.toml on real runtimes and a real model
	@$(BIN)/python vendor-scripts/demo.py

test: setup-dev lint   ## every check and every test, also the slow ones; what CI calls
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90

quick: setup-dev       ## all tests but the slow ones: about three minutes
	$(BIN)/python -m pytest -m "not slow"

proof: setup           ## long proofs, by hand: kills of a real run, faults of known size, set-ups not at fault; hours
	$(BIN)/python proofs/kills.py
	$(BIN)/python proofs/faults.py
	$(BIN)/python proofs/honest.py

lint: setup-dev        ## lint, format, types, direction of imports, scripts, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck vendor-scripts/*.sh
	$(BIN)/python vendor-scripts/make-docs.py --check

setup:
	@$(PYTHON) vendor-scripts/bootstrap.py

setup-dev:
	@$(PYTHON) vendor-scripts/bootstrap.py --dev

clean:                 ## removes the environment and what tools left; keeps compiled wheels and runs
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
