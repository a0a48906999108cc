# One environment, created once from requirements.lock; `make help` lists the rest.
PYTHON ?= python3
ARGS ?=
CLINC ?= ../shared/data/clinc150/data_full.json
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help demo test check reproduce bench bench-speed bench-gate bench-faults docs clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Pass more arguments with ARGS: make test ARGS="-m slow -k lora"'

demo: $(READY) ## run four real domains through the whole pipeline
	@$(BIN)/ratchet demo $(ARGS)

test: $(READY) ## run all tests except the slow ones and those that kill processes
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(READY) ## check lint, format, types, imports and generated docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/reference.py --check

reproduce: $(READY) ## run the frozen reference stream and compare with dvc.lock
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro -f -q
	@git diff --exit-code dvc.lock data/reference/numbers.json && echo "The numbers reproduce."

bench-speed: $(READY) ## repeat the measurements in docs/speed.md; takes an hour on an idle machine
	@$(BIN)/python -m tests.speed $(ARGS)

bench-gate: $(READY) ## repeat the measurements in docs/gate.md
	@$(BIN)/python -m tests.gatebench $(ARGS)

bench-faults: $(READY) ## run random commands under random faults; ARGS="--seeds 1-8 --minutes 30"
	@$(BIN)/python -m tests.faults $(ARGS)

bench: $(READY) ## compare all methods and strategies (docs/bench.md); ARGS=--quick for a small table
	@$(BIN)/ratchet bench --folder docs/bench $(if $(wildcard $(CLINC)),--clinc $(CLINC)) $(ARGS)

docs: $(READY) ## generate docs/cli.md and docs/events.md from the code
	@$(BIN)/python docs/reference.py

clean: ## remove what make created, but not data/ and mlruns/
	@rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist *.egg-info
	@find components flows tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools is in the lock file, so building our own package needs no second download.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Ratchet needs Python 3.11 or later. Set one: make PYTHON=python3.11 ...' >&2; exit 1; }
	@echo 'Installing requirements.lock into .venv (once, takes a few minutes; log: .venv/install.log)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --progress-bar off --disable-pip-version-check --log .venv/install.log \
	  -r requirements.lock
	@$(BIN)/python -m pip install -qq --progress-bar off --disable-pip-version-check --log .venv/install.log \
	  --no-deps --no-build-isolation -e .
	@touch $@
