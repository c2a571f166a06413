# `make run` starts everything; `make test` checks everything that a change can break.
# Extra arguments: make run ARGS="--port 9000", make test ARGS="-k capa -x".
.DEFAULT_GOAL := help
.PHONY: help install web run test test-fast screenshots nightly mutation lint format types contracts migrations bench lock clean

BIN := .venv/bin
ARGS ?=
# A process per core, each with servers of its own; a part of the tests (-k, a path) takes one. ARGS="-n 0" always does.
SHARED := -n auto --dist loadfile --no-loadscope-reorder

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install:  ## Make .venv with the pinned packages (milliseconds when nothing changed)
	@scripts/bootstrap

web: install  ## Build the web app (only what changed)
	@$(BIN)/python scripts/build_web.py

run: install web  ## Start Gatework with its own PostgreSQL and Temporal
	@exec $(BIN)/gatework dev $(ARGS)

test: install web  ## Run all tests; browser tests need Chromium, which is installed where possible
	@browser=$$($(BIN)/python scripts/ensure_chromium.py) && GATEWORK_CHROMIUM="$$browser" $(BIN)/pytest $(SHARED) $(ARGS)

test-fast: install  ## Run the tests that need no browser
	@$(BIN)/pytest $(SHARED) -m "not browser" $(ARGS)

screenshots: install web  ## Take the pictures of the docs anew
	@browser=$$(python3 scripts/ensure_chromium.py) && GATEWORK_CHROMIUM="$$browser" PICTURES=docs/pictures $(BIN)/pytest -q tests/browser

nightly: install  ## Check the laws of the core on 20,000 examples each, a process per core (over an hour of processor time)
	@HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -q -n $$(getconf _NPROCESSORS_ONLN) --dist worksteal --timeout 7200 tests/flow $(ARGS)

mutation: install  ## Change the core in a copy and see whether its tests notice (ARGS=--all: every mutant, hours)
	@$(BIN)/python scripts/mutation.py $(ARGS)

lint: install  ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: install  ## Mend style
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: install  ## Check types
	@$(BIN)/mypy

contracts: install  ## Check which part may import which
	@$(BIN)/lint-imports --no-logo --no-cache

migrations: install  ## Check that migrations and tables agree
	@$(BIN)/gatework migrate --check

bench: install  ## Measure us beside hand-written workflows, some five minutes (ARGS=--quick: two)
	@$(BIN)/python -m bench $(ARGS)

lock: install  ## Pin the newest allowed packages anew
	@$(BIN)/uv lock --upgrade --quiet
	@$(BIN)/uv export --quiet --frozen --all-groups --no-emit-project --no-header \
		--format requirements-txt --output-file requirements.lock
	@scripts/bootstrap

clean:  ## Remove what was built; your data in .gatework stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache uv.lock
	rm -rf build dist web/dist web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
