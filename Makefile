# `make` explains itself. Every target sets up what it needs: a virtual environment in .venv, from requirements.lock.

# The first of these that is 3.11 or newer; choose your own with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)

BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test check format bench client lock clean

help: ## Show this list.
	@echo "Usage: make TARGET [ARGS=…] [PYTHON=…]"; echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  %-8s %s\n' $$name "$$text"; done

demo: $(STAMP) ## Run the whole story on real orders, then keep serving until Ctrl-C (DEMO_ONCE=1: stop after the summary).
	@$(BIN)/tuike demo $(ARGS)

up: $(STAMP) ## Run the embedded stack in the foreground (ARGS="--port 9000").
	@$(BIN)/tuike up $(ARGS)

test: $(STAMP) ## Run every test that this machine can run; what it cannot run is listed at the end.
	$(BIN)/pytest $(ARGS)

check: $(STAMP) ## Check format, lint, types, import contracts and Cypher, and run the unit and architecture tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/unit tests/architecture

format: $(STAMP) ## Put the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks; the table is also written to build/bench.json (ARGS: see docs/benchmarks.md).
	@$(BIN)/python -m tests.benchmarks $(ARGS)

client: $(STAMP) ## Generate the TypeScript client anew from the API (also its OpenAPI snapshot).
	TUIKE_WRITE_SNAPSHOTS=1 $(BIN)/pytest --quiet tests/architecture/test_openapi.py
	$(BIN)/python -m tests.node generate

lock: $(STAMP) ## Write requirements.lock anew from setup.cfg.
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile setup.cfg --universal --python-version 3.11 --all-extras --upgrade --no-header \
		--no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock

clean: ## Remove everything that make made; data directories stay.
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis *.egg-info clients/typescript/node_modules clients/typescript/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): setup.cfg pyproject.toml requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "tuike needs Python 3.11 or newer, and none was found; install one or say make PYTHON=/path/to/python." >&2; \
		exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "tuike needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv." >&2; exit 1; }
	@echo "Installing tuike and its dependencies into .venv (a minute or two, once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[embedded,demo,risk,dev]'
	@touch $(STAMP)
