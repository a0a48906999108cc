# One environment, made once from requirements.lock; `make help` lists the rest.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help demo test check reproduce bench-speed bench-gate bench-faults docs clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'More words for the command go into ARGS: make test ARGS="-m slow -k lora"'

demo: $(READY) ## four real domains, one after the other, through the whole pipeline
	@$(BIN)/ratchet demo $(ARGS)

test: $(READY) ## every test but the slow ones
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## lint, format, types, walls, generated docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/reference.py --check

reproduce: $(READY) ## run the frozen reference stream; its numbers must be those of dvc.lock
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro -f -q
	@git diff --exit-code dvc.lock data/reference/numbers.json && echo "The numbers reproduce."

bench-speed: $(READY) ## measure what docs/speed.md says; leave the machine alone for an hour
	@$(BIN)/python -m tests.speed $(ARGS)

bench-gate: $(READY) ## measure what docs/gate.md says
	@$(BIN)/python -m tests.gatebench $(ARGS)

bench-faults: $(READY) ## random commands under random faults; ARGS="--seeds 1-8 --minutes 30"
	@$(BIN)/python -m tests.faults $(ARGS)

docs: $(READY) ## write docs/cli.md and docs/events.md from the code
	@$(BIN)/python docs/reference.py

clean: ## remove what make made; data/ and mlruns/ stay
	@rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist *.egg-info
	@find components flows tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools comes with the lock, so building our own package needs no second download.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Ratchet needs Python 3.11 or later. Name one: make PYTHON=python3.11 ...' >&2; exit 1; }
	@echo 'Installing requirements.lock into .venv (once, some minutes; log: .venv/install.log)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --progress-bar off --disable-pip-version-check --log .venv/install.log \
	  -r requirements.lock
	@$(BIN)/python -m pip install -qq --progress-bar off --disable-pip-version-check --log .venv/install.log \
	  --no-deps --no-build-isolation -e .
	@touch $@
