# Everything a newcomer needs: `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick docs proof lint lock audit setup setup-dev clean

demo: setup            ## run configs/quickstart.toml on real runtimes and a real model
	@$(BIN)/python vendor-scripts/demo.py

test: setup-dev lint   ## every check and every test, also the slow ones; what CI calls
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not slow and not alone" --cov --cov-fail-under=90
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not alone"
	$(BIN)/python -m pytest -m alone

quick: setup-dev       ## all tests but the slow ones: about five minutes
	$(BIN)/python -m pytest -n auto -m "not slow"

docs: setup-dev        ## the documentation site, into site/: open site/index.html; a broken link is an error
	$(BIN)/zensical build --strict --clean

proof: setup           ## long proofs, by hand: kills of a real run, faults of known size, set-ups not at fault, fuzzing; hours
	$(BIN)/python proofs/kills.py --kills 300
	$(BIN)/python proofs/disks.py --tries 100
	$(BIN)/python proofs/faults.py
	$(BIN)/python proofs/honest.py
	$(BIN)/python proofs/gemma3.py
	$(BIN)/python proofs/fuzz.py

lint: setup-dev        ## lint, format, types, direction of imports, scripts, the example workflow, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck vendor-scripts/*.sh
	$(BIN)/zizmor --offline --quiet docs/parity-workflow.yml
	$(BIN)/python vendor-scripts/make-docs.py --check

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

lock: setup-dev        ## pin what set-up installs, with hashes, after a change of pyproject.toml; add UPGRADE=--upgrade for new versions
	$(LOCK) $(UPGRADE) pyproject.toml --extra quickstart --group dev -o vendor-scripts/locks/dev.txt
	$(LOCK) pyproject.toml --extra quickstart --group build -c vendor-scripts/locks/dev.txt -o vendor-scripts/locks/quickstart.txt

audit: setup-dev       ## look the pinned versions up in the databases of known vulnerabilities; needs the network
	$(BIN)/uv tool run pip-audit --disable-pip --require-hashes --requirement vendor-scripts/locks/dev.txt
	cargo audit --file vendor-scripts/candle-reference/Cargo.lock

setup:
	@$(PYTHON) vendor-scripts/bootstrap.py

setup-dev:
	@$(PYTHON) vendor-scripts/bootstrap.py --dev

clean:                 ## removes the environment and what tools left; keeps compiled wheels and runs
	rm -rf .venv site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
