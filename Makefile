# Every target sets up `.venv` by itself when it is absent or out of date. Needs: make, Python 3.11+ and pip.
# A Python that is not called python3: make PYTHON=python3.12 test
PYTHON ?= python3
SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.ready
COMPOSE ?= docker compose
TESTS ?= orion_assets_tests
# Three for two cores: a worker waits a third of its time, for subprocesses, disks and threads to be woken
WORKERS ?= -n 3 --dist loadfile --no-loadscope-reorder
# What an activated environment or a shell's profile sets must not reach into .venv; without bytecode every command would
# compile its libraries anew, for four seconds
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo real real-all real-2014 test check accept dev up down logs build bench lock clean \
	check-format check-lint check-types check-architecture check-docs check-definitions check-deploy check-spelling

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## The whole graph on a synthetic market, and a look at what came of it; no key needed
	@$(BIN)/orion demo

real: $(READY) ## Run the main job on half a year of real bars, no key needed
	@$(BIN)/python -m examples.real_2000_2013.run

real-all: $(READY) ## The same on all of them, 2000 to 2013
	@$(BIN)/python -m examples.real_2000_2013.run --all

real-2014: $(READY) ## The main job on data of your own; EXAMPLE_DATA names its folder
	@test -n "$(EXAMPLE_DATA)" || { echo "make real-2014: EXAMPLE_DATA is not set; name the folder that holds the files:" \
		"make real-2014 EXAMPLE_DATA=path/to/folder" >&2; exit 2; }
	@test -d "$(EXAMPLE_DATA)" || { echo "make real-2014: EXAMPLE_DATA is $(EXAMPLE_DATA), which is not a folder" >&2; exit 2; }
	@EXAMPLE_DATA="$(EXAMPLE_DATA)" $(BIN)/python -m examples.real_2014.run

test: check ## The static gates, then all tests with coverage
	$(BIN)/python -m pytest $(TESTS) $(WORKERS) -m "not network and not accept" --cov --cov-report=term

check: check-format check-lint check-types check-architecture check-docs check-definitions check-deploy check-spelling ## Static gates only

check-format: $(READY)
	$(BIN)/ruff format --check --quiet

check-lint: $(READY)
	$(BIN)/ruff check --quiet

check-types: $(READY)
	$(BIN)/pyright --warnings

check-architecture: $(READY)
	$(BIN)/lint-imports --config setup.cfg --no-cache

check-docs: $(READY)
	$(BIN)/python scripts/generate_docs.py --check

check-definitions: $(READY)
	$(BIN)/python -c "import dagster; from orion_assets.definitions import defs; dagster.Definitions.validate_loadable(defs())"

check-deploy: $(READY)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/Dockerfile

check-spelling: $(READY)
	$(BIN)/typos

# Workers of tests get a thread each; what is accepted runs as it does for its users
accept: export POLARS_MAX_THREADS ?= 2
accept: $(READY) ## What takes longer than a test run may: rebuilds of a year
	$(BIN)/python -m pytest $(TESTS) $(WORKERS) -m accept

dev: $(READY) ## Dagster's UI on http://127.0.0.1:3000: your settings, else what `make demo` or `make real` built
	@if [ -f .env ] || env | grep -qE '^(ORION_[A-Z0-9_]+|(POLYGON|MASSIVE)_API_KEY)='; then exec $(BIN)/orion dev; fi; \
		unset DAGSTER_HOME; if [ -f data/demo/orion.env ]; then exec $(BIN)/orion --env-file data/demo/orion.env dev; \
		else exec $(BIN)/orion --env-file examples/real_2000_2013/.env dev; fi

up: ## Start the stack in containers (docker compose); the UI is on http://127.0.0.1:3000
	$(COMPOSE) up --build --detach --wait

down: ## Stop the stack; its volumes stay
	$(COMPOSE) down

logs: ## Follow the stack's logs
	$(COMPOSE) logs --follow --tail 100

build: $(READY) ## Build the wheel into dist/ and, where docker is, the images
	@PATH="$(CURDIR)/.uv/bin:$$PATH" UV_PYTHON_DOWNLOADS=never uv build --wheel --out-dir dist --python $(BIN)/python
	@if $(COMPOSE) version >/dev/null 2>&1; then $(COMPOSE) build; else echo "docker compose is not there: no images"; fi

bench: $(READY) ## Run every benchmark beside its peer
	@for script in benchmarks/*.py; do test -e "$$script" || continue; $(BIN)/python "$$script" || exit 1; done

lock: $(READY) ## Resolve requirements.lock anew from pyproject.toml
	PATH="$(CURDIR)/.uv/bin:$$PATH" UV_PYTHON_DOWNLOADS=never uv pip compile --quiet --universal --generate-hashes --no-header \
		--upgrade --extra dev --extra examples pyproject.toml -o requirements.lock

clean: ## Remove caches and build outputs; keeps .venv, .dagster and data/
	rm -rf dist build .coverage .coverage.* htmlcov .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './.uv/*' -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml scripts/bootstrap
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found; install Python 3.11 or newer," \
		"or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) scripts/bootstrap
